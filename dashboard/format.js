/** Numbers as people read them: a number and its unit, apart, so the page can set them in two sizes. */

/** @typedef {{number: string, unit: string}} Figure */

export const NONE = '–';
const GAP = '\u00a0';

/** A number in words, a dash where there is none. @param {number|null|undefined} value @param {(value: number) => string} say */
export const figure = (value, say) => (value === null || value === undefined || value !== value ? NONE : say(value));

/** A correlation, two digits and its sign. @param {number} r */
export const signed = (r) => r.toFixed(2).replace('-', '−');

/** Two or three digits that matter: 0.42, 4.2, 42.1, 420. @param {number} value */
export function short(value) {
    const size = Math.abs(value);
    if (size >= 99.95 || value === 0) return grouped(value);
    return value.toFixed(size >= 0.995 ? 1 : 2);
}

/** 1904 → 1,904 @param {number} value */
export function grouped(value) {
    return Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, ',').replace('-', '−');
}

/** @param {number} value @returns {Figure} */
export function percent(value) {
    if (value !== value) return {number: NONE, unit: ''};
    return {number: value < 9.95 ? value.toFixed(1) : value.toFixed(0), unit: '%'};
}

/** @param {number} value @param {number} base @param {string[]} units @returns {Figure} */
function scaled(value, base, units) {
    if (value !== value) return {number: NONE, unit: ''};
    let step = 0, rest = value;
    while (Math.abs(rest) >= base * 0.9995 && step < units.length - 1) { rest /= base; step++; }
    return {number: step === 0 ? rest.toFixed(0) : short(rest), unit: units[step]};
}

/** A model's context, as people name it: 512, 2k, 16k, 128k, 1M. @param {number} tokens */
export function contextSize(tokens) {
    const thousands = tokens / 1024, millions = thousands / 1024;
    if (millions >= 1) return `${Number(millions.toFixed(1))}M`;
    return thousands >= 1 ? `${Number(thousands.toFixed(thousands < 9.95 ? 1 : 0))}k` : String(tokens);
}

/** Memory, in powers of 1024. @param {number} bytes */
export const memory = (bytes) => scaled(bytes, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB']);

/** Disk sizes, in powers of 1000, as they are sold. @param {number} bytes */
export const size = (bytes) => scaled(bytes, 1000, ['B', 'kB', 'MB', 'GB', 'TB', 'PB']);

/** @param {number} bytes_s */
export const rate = (bytes_s) => scaled(bytes_s, 1000, ['B/s', 'kB/s', 'MB/s', 'GB/s']);

/** 20.0 → 20: the end of a scale is a round number. @param {Figure} figure @returns {Figure} */
export function trimmed({number, unit}) {
    return {number: number.replace(/\.0+$/, ''), unit};
}

/** @param {Figure} figure */
export function join({number, unit}) {
    return unit ? `${number}${GAP}${unit}` : number;
}

/** Milliseconds, fine where they are few. @param {number} ms */
export function millis(ms) {
    if (ms !== ms) return NONE;
    if (Math.abs(ms) >= 10_000) return `${(ms / 1000).toFixed(0)}${GAP}s`;
    return `${Math.abs(ms) < 9.95 ? ms.toFixed(1) : ms.toFixed(0)}${GAP}ms`.replace('-', '−');
}

const two = (/** @type {number} */ value) => String(value).padStart(2, '0');

/** 14:32:07, by the clock of this browser's place. @param {number} time_us */
export function clock(time_us) {
    const date = new Date(time_us / 1000);
    return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** 14:32, with the day where it is not today. @param {number} time_us @param {number} now_us */
export function moment(time_us, now_us) {
    const date = new Date(time_us / 1000);
    const day = date.toDateString() === new Date(now_us / 1000).toDateString() ? '' : `${date.getDate()}.${date.getMonth() + 1}. `;
    return `${day}${clock(time_us)}`;
}

/** 42 s, 5 min, 3 h, 2 d @param {number} seconds */
export function span(seconds) {
    if (seconds !== seconds) return NONE;
    if (seconds < 100) return `${seconds < 9.95 && seconds % 1 ? seconds.toFixed(1) : Math.round(seconds)}${GAP}s`;
    if (seconds < 6000) return `${Math.round(seconds / 60)}${GAP}min`;
    if (seconds < 172_800) return `${Math.round(seconds / 3600)}${GAP}h`;
    return `${Math.round(seconds / 86_400)}${GAP}d`;
}

/** @param {number} count @param {string} one @param {string} [many] */
export function counted(count, one, many = `${one}s`) {
    return `${grouped(count)}${GAP}${count === 1 ? one : many}`;
}

/** A value of any metric by the unit in its name (CONTRACTS §1). @param {string} metric @param {number} value @returns {Figure} */
export function figureOf(metric, value) {
    if (/bytes_s$/.test(metric)) return rate(value);
    if (/bytes$/.test(metric)) return memory(value);
    if (/(percent|avg10)$/.test(metric)) return percent(value);
    if (/_w$/.test(metric)) return {number: short(value), unit: 'W'};
    if (/_c$/.test(metric)) return {number: value.toFixed(0), unit: '°C'};
    if (/_ms$/.test(metric)) return {number: value.toFixed(1), unit: 'ms'};
    return {number: short(value), unit: ''};
}

/** @type {[RegExp, string][]} */
const SPOKEN = [
    [/^system\.cpu\.core/, 'One core'], [/^system\.cpu/, 'CPU'], [/^system\.mem/, 'Memory'], [/^system\.swap/, 'Swap'], [/^system\.load/, 'Load'],
    [/^system\.psi\.cpu/, 'CPU stall'], [/^system\.psi\.mem/, 'Memory stall'], [/^system\.psi\.io/, 'Disk stall'],
    [/^system\.disk\.read/, 'Disk read'], [/^system\.disk\.write/, 'Disk write'], [/^system\.disk\.busy/, 'Disk busy'],
    [/^system\.net\.rx/, 'Network in'], [/^system\.net\.tx/, 'Network out'], [/^system\.net\.lo/, 'Loopback'],
    [/^system\.temp/, 'Temperature'], [/^gpu\.util/, 'GPU'], [/^gpu\.mem/, 'VRAM'], [/^gpu\.power/, 'GPU power'], [/^gpu\.temp/, 'GPU temperature'],
];

/** The word for a metric, else its own name. @param {string} metric */
export function spoken(metric) {
    return SPOKEN.find(([pattern]) => pattern.test(metric))?.[1] ?? metric;
}

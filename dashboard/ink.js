/** The colour tokens as canvases need them: read once a theme, from the one place where they are declared. */

const NAMES = /** @type {const} */ ({
    bg: '--bg', line: '--line', lineSoft: '--line-soft', lineStrong: '--line-strong', text: '--text', text2: '--text-2', text3: '--text-3',
    plot: '--plot', band: '--plot-band', plot2: '--plot-2', shade: '--shade', hatch: '--hatch', warn: '--warn', warnShade: '--warn-shade',
    event: '--event', select: '--bg-select', model1: '--model-1', model2: '--model-2', other: '--other',
});

/** @typedef {{[K in keyof typeof NAMES]: string} & {font: string}} Ink */

/** @returns {Ink} */
function read() {
    const style = getComputedStyle(document.documentElement);
    const ink = /** @type {any} */ ({font: `500 11px ${style.getPropertyValue('--font')}`});
    for (const [name, property] of Object.entries(NAMES)) ink[name] = style.getPropertyValue(property).trim();
    return ink;
}

/** @type {Ink|null} */
let now = null;
/** @type {Map<string, CanvasPattern>} */
const patterns = new Map();

document.addEventListener('themechange', () => { now = null; patterns.clear(); });

export function ink() {
    now ??= read();
    return now;
}

/** Diagonal lines on nothing: what was not seen. @param {CanvasRenderingContext2D} context @param {number} ratio device pixels a CSS pixel */
export function hatch(context, ratio) {
    const key = `${ink().hatch} ${ratio}`;
    let pattern = patterns.get(key);
    if (!pattern) {
        const side = Math.round(6 * ratio);
        const tile = document.createElement('canvas');
        tile.width = tile.height = side;
        const pen = /** @type {CanvasRenderingContext2D} */ (tile.getContext('2d'));
        pen.strokeStyle = ink().hatch;
        pen.lineWidth = ratio;
        pen.beginPath();
        for (const shift of [-side, 0, side]) {
            pen.moveTo(shift, side);
            pen.lineTo(shift + side, 0);
        }
        pen.stroke();
        pattern = /** @type {CanvasPattern} */ (context.createPattern(tile, 'repeat'));
        patterns.set(key, pattern);
    }
    return pattern;
}

/** A line of percent on a field of its own units, for a small drawing. Pure. */

export const WIDTH = 1000, HEIGHT = 26;

/**
 * Runs of points between gaps: a line is broken where nothing was measured, not bridged. What is measured less often than
 * the points were asked for has its own beat, and no gap at each.
 * @param {number[]} times_us @param {number[]} values percent @param {number} from_us @param {number} full_us @param {number} step_us
 */
export function runs(times_us, values, from_us, full_us, step_us) {
    /** @type {string[][]} */
    const found = [];
    const seen_us = times_us.filter((_, at) => values[at] === values[at]);
    const beats_us = seen_us.slice(1).map((time_us, at) => time_us - seen_us[at]).sort((a, b) => a - b);
    const most_us = 2.5 * Math.max(step_us, beats_us[beats_us.length >> 1] ?? 0);
    let before_us = -Infinity;
    times_us.forEach((time_us, at) => {
        const value = values[at];
        if (value !== value || time_us < from_us || time_us > from_us + full_us) return;
        if (time_us - before_us > most_us || !found.length) found.push([]);
        before_us = time_us;
        found[found.length - 1].push(`${((WIDTH * (time_us - from_us)) / full_us).toFixed(1)},${(HEIGHT - 1 - ((HEIGHT - 2) * Math.min(Math.max(value, 0), 100)) / 100).toFixed(1)}`);
    });
    return found;
}

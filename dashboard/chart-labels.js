/** Where the label of a mark stands on a plot: beside its mark, and never over a line. Pure; canvas pixels. */

/** @typedef {{left: number, right: number, top: number, bottom: number}} Room between other marks, labels and the edges of the plot */
/** @typedef {(left: number, right: number) => [number, number]} Reach the highest and the lowest point of all lines between two places; [Infinity, -Infinity] where there are none */

/**
 * Left of the mark where it fits, else right of it; as high as it can stand above all lines there, else right below them.
 * @param {{x: number, width: number, height: number, space: number}} label `space`: between the mark's middle and the words
 * @param {Room} room @param {Reach} reach @returns {{left: number, middle: number}|null} null: it has room nowhere
 */
export function besides({x, width, height, space}, room, reach) {
    for (const left of [x - space - width, x + space]) {
        if (left < room.left || left + width > room.right) continue;
        const [highest, lowest] = reach(left, left + width);
        if (highest >= room.top + height) return {left, middle: room.top + height / 2};
        if (lowest + height <= room.bottom) return {left, middle: Math.max(lowest, room.top) + height / 2};
    }
    return null;
}

/**
 * How far up and down the lines of a plot go between two places, from their least and greatest of each column.
 * @param {{x: Float64Array, ys: Float64Array[]}} columns mean, least, greatest of each line, NaN: nothing seen
 * @param {boolean[]} main whether each line is one of those that labels stand over
 * @param {(value: number) => number} toX @param {(value: number) => number} toY @param {number} half of a column and a line's width, px
 * @returns {Reach}
 */
export function reachOf({x, ys}, main, toX, toY, half) {
    return (left, right) => {
        let highest = Infinity, lowest = -Infinity;
        for (let at = 0; at < x.length; at++) {
            const px = toX(x[at]);
            if (px < left - half || px > right + half) continue;
            main.forEach((counts, line) => {
                const top = toY(ys[line * 3 + 2][at]), bottom = toY(ys[line * 3 + 1][at]);
                if (!counts || top !== top) return;
                highest = Math.min(highest, top - half);
                lowest = Math.max(lowest, bottom + half);
            });
        }
        return [highest, lowest];
    };
}

/** Who holds the memory of the GPU, in words and the colour of each. Pure. */

const GIB = 2 ** 30, NAMED = 2;

/** @typedef {{name: string, short: string, size: string, kind: string, bytes: number}} Key */

/**
 * Who holds it, GiB: the two first of the stack that hold some, then what is left of `used` as "other". [] where no model's is measured.
 * @param {[string, number][]} models name, bytes now @param {string[]} order of the stack @param {number} used bytes of all @returns {Key[]}
 */
export function heldKeys(models, order, used) {
    const now = new Map(models), held = order.slice(0, NAMED).filter((name) => (now.get(name) ?? 0) > 0);
    if (![...now.values()].some((bytes) => bytes > 0)) return [];
    const size = (/** @type {number} */ bytes) => (bytes / GIB).toFixed(1);
    const rest = used - held.reduce((sum, name) => sum + (now.get(name) ?? 0), 0), shorts = shortNames(held);
    return [
        ...held.map((name, at) => ({name, short: shorts[at], bytes: now.get(name) ?? 0, size: size(now.get(name) ?? 0), kind: `model-${order.indexOf(name) + 1}`})),
        ...(rest > 0.05 * GIB ? [{name: 'other', short: 'other', bytes: rest, size: size(rest), kind: 'other'}] : []),
    ];
}

/** qwen3-8b-q4 and llama3.2:latest as qwen3 and llama3.2, where that tells them apart. @param {string[]} names */
function shortNames(names) {
    const shorts = names.map((name) => /^[^-:/_ ]+/.exec(name)?.[0] ?? name);
    return new Set(shorts).size === names.length ? shorts : names;
}

/**
 * The bar of now, as parts of all the memory there is: whoever the words name, in their colours; all that is used as one
 * part where no model's is measured. [] where it is not known how much there is.
 * @param {Key[]} keys @param {number} used bytes @param {number} total bytes @returns {{kind: string, share: number}[]}
 */
export function sharesOf(keys, used, total) {
    if (!(total > 0) || used !== used) return [];
    const parts = keys.length ? keys : [{kind: 'used', bytes: used}];
    return parts.map(({kind, bytes}) => ({kind, share: bytes / total}));
}

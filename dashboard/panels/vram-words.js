/** Who holds the memory of the GPU, in words and the colour of each. Pure. */

const GIB = 2 ** 30, NAMED = 2;

/**
 * Who holds it, GiB: the two first of the stack that hold some, then what is left of `used` as "other". [] where no model's is measured.
 * @param {[string, number][]} models name, bytes now @param {string[]} order of the stack @param {number} used bytes of all
 */
export function heldKeys(models, order, used) {
    const now = new Map(models), held = order.slice(0, NAMED).filter((name) => (now.get(name) ?? 0) > 0);
    if (![...now.values()].some((bytes) => bytes > 0)) return [];
    const size = (/** @type {number} */ bytes) => (bytes / GIB).toFixed(1);
    const rest = used - held.reduce((sum, name) => sum + (now.get(name) ?? 0), 0);
    return [
        ...held.map((name) => ({name, size: size(now.get(name) ?? 0), kind: `model-${order.indexOf(name) + 1}`})),
        ...(rest > 0.05 * GIB ? [{name: 'other', size: size(rest), kind: 'other'}] : []),
    ];
}

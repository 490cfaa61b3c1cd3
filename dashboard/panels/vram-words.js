/** Who holds the memory of the GPU, in words. Pure. */

const GIB = 2 ** 30, NAMED = 2;

/** Who holds it, the largest first, GiB; what no model is known to hold is "other". '' where no model's is measured. @param {[string, number][]} models name, bytes @param {number} used bytes of all */
export function heldWords(models, used) {
    const held = models.filter(([, bytes]) => bytes > 0).sort(([, a], [, b]) => b - a);
    if (!held.length) return '';
    const named = held.slice(0, NAMED).map(([name, bytes]) => `${name} ${(bytes / GIB).toFixed(1)}`);
    const rest = used - held.slice(0, NAMED).reduce((sum, [, bytes]) => sum + bytes, 0);
    return [...named, ...(rest > 0.05 * GIB ? [`other ${(rest / GIB).toFixed(1)}`] : [])].join(', ');
}

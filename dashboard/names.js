/**
 * Names of processes by their number. A kept spike holds numbers only (names are not recorded without consent); while
 * a process is on the live page, its number can be read as its name. In memory, for as long as the page is open.
 */

/** @type {Map<number, string>} */
const names = new Map();

/** @param {import('./types').ProcessTable|null|undefined} table */
export function learnNames(table) {
    for (const row of table?.rows ?? []) if (row.name) names.set(row.number, row.name);
}

/** @param {import('./types').ProcessRow} row */
export function nameOf(row) {
    return row.name || names.get(row.number) || `process #${row.number}`;
}

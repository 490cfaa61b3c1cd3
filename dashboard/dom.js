/** Making elements. Text enters by textContent only, so no name of a process or a disk is ever read as markup. */

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag @param {Record<string, any>} [attributes] class, aria-…, data-…, type; `on` is a map of listeners
 * @param {(Node|string|null|undefined|false)[]} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function el(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (value === undefined || value === null || value === false) continue;
        if (name === 'on') for (const [type, listener] of Object.entries(value)) node.addEventListener(type, /** @type {EventListener} */ (listener));
        else node.setAttribute(name, value === true ? '' : String(value));
    }
    for (const child of children) if (child) node.append(child);
    return node;
}

/**
 * Writes only what has changed: an unchanged text costs no layout. A node that holds one text keeps it: another one in
 * its place would be styled and laid out anew, and asked for by every `:has()` of the page.
 * @param {Node} node @param {string} value
 */
export function text(node, value) {
    if (node.textContent === value) return;
    const only = node.firstChild;
    if (value && only?.nodeType === 3 && only === node.lastChild) only.nodeValue = value;
    else node.textContent = value;
}

/** Writes only a change: `hidden` set to what it is would be styled anew all the same. @param {HTMLElement} node @param {boolean} hidden */
export function hide(node, hidden) {
    if (node.hidden !== hidden) node.hidden = hidden;
}

/** @param {Element} node @param {string} name @param {string|null} value */
export function attribute(node, name, value) {
    if (value === null) node.removeAttribute(name);
    else if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

/** @param {string} id @returns {HTMLElement} */
export function byId(id) {
    const node = document.getElementById(id);
    if (!node) throw new Error(`index.html has no #${id}`);
    return node;
}

/**
 * As many rows as there are items, each kept and filled again, so focus and selection stay.
 * @template T @param {HTMLElement} parent @param {T[]} items @param {() => HTMLElement} make @param {(row: HTMLElement, item: T) => void} fill
 */
export function rows(parent, items, make, fill) {
    while (parent.children.length > items.length) parent.lastElementChild?.remove();
    while (parent.children.length < items.length) parent.append(make());
    items.forEach((item, at) => fill(/** @type {HTMLElement} */ (parent.children[at]), item));
}

/** @param {string} drawing path data on a 16 × 16 field @param {string} [kind] */
export function icon(drawing, kind = '') {
    const space = 'http://www.w3.org/2000/svg';
    const svg = document.createElementNS(space, 'svg');
    svg.setAttribute('viewBox', '0 0 16 16');
    svg.setAttribute('class', `icon ${kind}`);
    svg.setAttribute('aria-hidden', 'true');
    const path = document.createElementNS(space, 'path');
    path.setAttribute('d', drawing);
    svg.append(path);
    return svg;
}

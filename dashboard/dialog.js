/** One way to open a dialog: a title, a close button, Escape, and the focus goes back where it came from. */
import {el} from './dom.js';

/** @param {string} title @param {...Node} content @returns {HTMLDialogElement} */
export function openDialog(title, ...content) {
    const close = el('button', {class: 'plain', type: 'button'}, 'Close');
    const dialog = el('dialog', {'aria-label': title}, el('header', {class: 'ends'}, el('h2', {}, title), close), ...content);
    close.addEventListener('click', () => dialog.close());
    dialog.addEventListener('click', (event) => { if (event.target === dialog) dialog.close(); });
    dialog.addEventListener('close', () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
    return dialog;
}

/** A dialog whose content changes while it is open. @param {HTMLDialogElement} dialog @param {() => void} draw @param {number} each_ms */
export function keepFresh(dialog, draw, each_ms) {
    draw();
    const timer = setInterval(draw, each_ms);
    dialog.addEventListener('close', () => clearInterval(timer));
}

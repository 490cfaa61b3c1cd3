/** The keyboard: single letters call commands, except while something is typed or a dialog is open. */

/** @typedef {import('./commands.js').Command} Command */

const ON_CHART = /** @type {Record<string, string>} */ ({ArrowLeft: 'a', ArrowRight: 'd', ArrowUp: 'w', ArrowDown: 's'});

/** @param {KeyboardEvent} event */
function nameOf(event) {
    if ((event.ctrlKey || event.metaKey) && !event.altKey) return `Ctrl+${event.key.toUpperCase()}`;
    if (event.altKey) return '';
    return event.key.length === 1 ? event.key.toLowerCase() : event.key;
}

/** @param {() => Command[]} commands */
export function listenKeys(commands) {
    document.addEventListener('keydown', (event) => {
        const target = /** @type {HTMLElement} */ (event.target);
        // What was typed into stays the target for a moment after its dialog has closed.
        const typing = target.matches('input, select, textarea, [contenteditable]') && target.checkVisibility();
        const inDialog = document.querySelector('dialog[open]') !== null;
        let name = nameOf(event);
        if (inDialog || (typing && name !== 'Ctrl+K')) return;
        if (name === ' ' && target.matches('button, a')) return;
        if (target.matches('.plot') && ON_CHART[name]) name = ON_CHART[name];
        const command = commands().find(({keys}) => keys.includes(name));
        if (!command) return;
        event.preventDefault();
        command.run();
    });
}

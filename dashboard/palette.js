/** Search or do: every command by a few letters of its name. */
import {openDialog} from './dialog.js';
import {attribute, el, rows} from './dom.js';

/** @typedef {import('./commands.js').Command} Command */

/** Letters in order, close ones first; NaN where they are not all there. @param {string} title @param {string} asked */
export function closeness(title, asked) {
    let at = -1, spread = 0;
    const lower = title.toLowerCase();
    for (const letter of asked.toLowerCase().replace(/\s+/g, '')) {
        const next = lower.indexOf(letter, at + 1);
        if (next < 0) return NaN;
        spread += next - at - 1;
        at = next;
    }
    return spread;
}

/** @param {Command[]} commands */
export function openPalette(commands) {
    const input = el('input', {type: 'text', role: 'combobox', 'aria-expanded': 'true', 'aria-controls': 'palette-list', 'aria-label': 'Search or do', autocomplete: 'off', spellcheck: 'false', placeholder: 'What do you want to see or do?'});
    const list = el('ul', {id: 'palette-list', role: 'listbox', 'aria-label': 'Commands'});
    const dialog = openDialog('Search or do', input, list);
    dialog.classList.add('palette');
    /** @type {Command[]} */
    let found = [];
    let chosen = 0;
    const run = () => {
        const command = found[chosen];
        dialog.close();
        command?.run();
    };
    const draw = () => {
        rows(list, found, () => el('li', {role: 'option', class: 'ends'}, el('span'), el('span')), (row, command) => {
            const at = found.indexOf(command);
            row.id = `command-${at}`;
            row.children[0].textContent = command.title;
            row.children[1].replaceChildren(...command.keys.map((key) => el('kbd', {}, key === ' ' ? 'Space' : key.length === 1 ? key.toUpperCase() : key)));
            attribute(row, 'aria-selected', String(at === chosen));
            row.onclick = () => { chosen = at; run(); };
        });
        if (found.length) input.setAttribute('aria-activedescendant', `command-${chosen}`);
        else input.removeAttribute('aria-activedescendant');
        list.children[chosen]?.scrollIntoView({block: 'nearest'});
    };
    const search = () => {
        chosen = 0;
        found = commands.filter(({listed}) => listed !== false).map((command) => ({command, away: closeness(command.title, input.value)}))
            .filter(({away}) => away === away).sort((a, b) => a.away - b.away).map(({command}) => command);
        draw();
    };
    input.addEventListener('input', search);
    input.addEventListener('keydown', (event) => {
        const move = {ArrowDown: 1, ArrowUp: -1}[event.key];
        if (move && found.length) {
            event.preventDefault();
            chosen = (chosen + move + found.length) % found.length;
            draw();
        } else if (event.key === 'Enter') {
            event.preventDefault();
            run();
        }
    });
    search();
    input.focus();
}

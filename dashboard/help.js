/** What the keys do and what the marks mean. */
import {openDialog} from './dialog.js';
import {el} from './dom.js';

/** @type {[string, string][]} */
const MARKS = [
    ['▲', 'a value left its own usual range; point at it or choose it below, and the processes of that moment are shown'],
    ['◆', 'something happened: restart, sleep, a step of the clock, a changed setting'],
    ['▨', 'hatched: nobody saw this time. The line is broken, not guessed'],
    ['band', 'around a line: the least and the greatest value of each step'],
    ['●', 'filled: recording on this machine\'s disk. Click it to stop'],
];

/** @param {string} key */
const named = (key) => (key === ' ' ? 'Space' : key.length === 1 ? key.toUpperCase() : key);

/** @param {import('./commands.js').Command[]} commands */
export function openHelp(commands) {
    const keys = el('dl', {class: 'keys'}, ...commands.filter((one) => one.keys.length).flatMap((one) => [
        el('dt', {}, ...one.keys.map((key) => el('kbd', {}, named(key)))), el('dd', {}, one.title),
    ]), el('dt', {}, el('kbd', {}, '← → ↑ ↓')), el('dd', {}, 'on a chart: back, forward, nearer, farther; drag over a chart to zoom into it, double click to go back'));
    const marks = el('dl', {class: 'keys'}, ...MARKS.flatMap(([mark, meaning]) => [el('dt', {}, mark), el('dd', {}, meaning)]));
    const dialog = openDialog('Keys and marks', el('div', {class: 'two-lists'}, keys, marks));
    dialog.classList.add('wide');
}

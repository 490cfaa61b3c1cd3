/** From, to: a range by its ends, in this browser's local time. */
import {el, text} from './dom.js';
import {openDialog} from './dialog.js';

/** @param {number} time_us local time as an input of type datetime-local wants it */
function local(time_us) {
    const date = new Date(time_us / 1000);
    return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

/** @param {import('./view.js').ViewState} state */
export function openRange(state) {
    const [from_us, to_us] = state.window_us;
    const from = el('input', {type: 'datetime-local', step: '1', id: 'range-from', value: local(from_us)});
    const to = el('input', {type: 'datetime-local', step: '1', id: 'range-to', value: local(to_us)});
    const wrong = el('p', {class: 'warn', role: 'alert', hidden: true});
    const form = el('form', {method: 'dialog', class: 'range-form'},
        el('label', {for: 'range-from'}, 'From'), from, el('label', {for: 'range-to'}, 'To'), to, wrong,
        el('p', {class: 'quiet'}, 'Each value is kept for 24 hours.'),
        el('button', {class: 'control primary', type: 'submit'}, 'Show'));
    const dialog = openDialog('Range', form);
    form.addEventListener('submit', (event) => {
        event.preventDefault();
        const start = new Date(from.value).getTime(), end = new Date(to.value).getTime();
        if (!(end - start >= 2000)) {
            text(wrong, 'From must be at least two seconds before To.');
            wrong.hidden = false;
            return;
        }
        dialog.close();
        state.range(start * 1000, end * 1000);
    });
    from.focus();
}

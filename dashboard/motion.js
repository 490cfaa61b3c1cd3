/**
 * Whether the page may move: as the system asks (`prefers-reduced-motion`), or as the person chose here. Still, bars and
 * numbers stand in place of motion, at two a second at most (CONTRACTS §4). The choice is kept in this browser.
 */

/** @typedef {'system'|'still'|'moving'} MotionChoice */

const KEY = 'wfmon.motion';
/** @type {MotionChoice[]} */
export const MOTIONS = ['system', 'still', 'moving'];

/** @returns {MotionChoice} */
function remembered() {
    try {
        const said = /** @type {MotionChoice} */ (localStorage.getItem(KEY));
        return MOTIONS.includes(said) ? said : 'system';
    } catch {
        return 'system';
    }
}

/** Fires `change` whenever `still` may have become another. */
export class Motion extends EventTarget {
    constructor() {
        super();
        this.system = matchMedia('(prefers-reduced-motion: reduce)');
        this.choice = remembered();
        this.system.addEventListener('change', () => this.apply());
        this.apply();
    }

    get still() { return this.choice === 'still' || (this.choice === 'system' && this.system.matches); }

    /** @param {MotionChoice} choice */
    set(choice) {
        this.choice = choice;
        try {
            localStorage.setItem(KEY, choice);
        } catch {
            // Storage is switched off: the choice lasts as long as the page.
        }
        this.apply();
    }

    apply() {
        document.documentElement.dataset.motion = this.still ? 'still' : 'moving';
        this.dispatchEvent(new Event('change'));
    }
}

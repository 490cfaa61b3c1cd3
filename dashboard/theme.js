/**
 * Dark, light, or as the system says. A classic script in the head, so the first paint is already right.
 * The choice is kept in this browser; `wfmonTheme.set('dark' | 'light' | 'system')` changes it.
 */
(() => {
    const KEY = 'wfmon.theme';
    const system = matchMedia('(prefers-color-scheme: light)');
    const read = () => {
        try {
            return localStorage.getItem(KEY) ?? 'system';
        } catch {
            return 'system';
        }
    };
    let choice = read();
    const apply = () => {
        const light = choice === 'light' || (choice === 'system' && system.matches);
        document.documentElement.dataset.theme = light ? 'light' : 'dark';
        document.dispatchEvent(new Event('themechange'));
    };
    system.addEventListener('change', apply);
    Object.defineProperty(globalThis, 'wfmonTheme', {
        value: Object.freeze({
            get choice() { return choice; },
            /** @param {string} next */
            set(next) {
                choice = next;
                try {
                    localStorage.setItem(KEY, next);
                } catch {
                    // Storage is switched off: the choice lasts as long as the page.
                }
                apply();
            },
        }),
    });
    apply();
})();

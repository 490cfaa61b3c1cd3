/** What is kept on disk: size against its budget, bytes a sample, how far back, how much is written. */
import {el, hide, text} from '../dom.js';
import {grouped, join, rate, size, span} from '../format.js';

/** @typedef {import('../context.js').Context} Context */

const ASK_MS = 30_000;

export default {
    id: 'storage', area: 'foot', title: 'Storage',
    /** @param {Context} context */
    shown: ({bridge}) => bridge.latest.has('storage.db_bytes'),
    /** @param {HTMLElement} host @param {Context} context */
    mount(host, context) {
        const {bridge} = context;
        const part = (/** @type {string} */ after) => {
            const value = el('b'), tail = el('span', {}, ` ${after}`);
            return {root: el('span', {class: 'part'}, value, tail), value, tail};
        };
        const kept = part(''), each = part('bytes per sample'), back = part('kept'), writes = part('written');
        const lost = el('span', {class: 'part warn', hidden: true});
        host.append(el('h2', {class: 'strip-title'}, 'Storage'), kept.root, each.root, back.root, writes.root, lost);
        let budget = NaN;
        const ask = async () => {
            const answer = await context.api.ask('storage').catch(() => null);
            if (!answer) return;
            const tiers = answer.tiers ?? [];
            budget = tiers.reduce((/** @type {number} */ sum, /** @type {any} */ tier) => sum + Number(tier.budget_bytes ?? tier.budgetBytes ?? 0), 0) || NaN;
            const missing = Number(answer.lost_samples ?? answer.lostSamples ?? 0);
            hide(lost, !(missing > 0));
            text(lost, `▲ ${grouped(missing)} samples lost`);
        };
        setInterval(ask, ASK_MS);
        void ask();
        const draw = () => {
            const {latest} = bridge;
            const bytes = latest.one('storage.db_bytes'), sample = latest.one('storage.raw_bytes_per_sample');
            const age = latest.one('storage.oldest_raw_age_s'), written = latest.one('storage.write_bytes_s');
            text(kept.value, join(size(bytes)));
            text(kept.tail, budget === budget ? ` of ${join(size(budget))}` : ' kept');
            hide(each.root, sample !== sample);
            text(each.value, sample.toFixed(2));
            hide(back.root, age !== age);
            text(back.value, span(age));
            text(back.tail, ' back');
            hide(writes.root, written !== written);
            text(writes.value, join(rate(written)));
        };
        bridge.on('latest', () => { if (!context.state.paused) draw(); });
        draw();
    },
};

/**
 * One plot: lines with their min-max band over the upper part, and below them a strip (a second line or heat).
 * Both are in one uPlot, so a panel is one canvas and has one crosshair. The strip's place is made by the scales:
 * the main one reaches below zero by the strip's height, the strip's own one above its limit by the rest.
 */
import uPlot from './vendor/uplot/uPlot.js';
import {drawHeat, drawShade, drawUnder} from './chart-layers.js';
import {drawLines} from './chart-lines.js';
import {drawMarks} from './chart-marks.js';
import {drawStack} from './chart-stack.js';
import {ink} from './ink.js';
import {clock, span} from './format.js';

/** @typedef {import('./types').PlotColumns} PlotColumns */
/** @typedef {import('./chart-marks.js').Mark} Mark */
/** @typedef {import('./view.js').ViewState} ViewState */

/**
 * @typedef {object} ChartOptions
 * @property {import('./types').LineKind[]} lines what each line of the plot spec is
 * @property {'line'|'heat'|'none'} strip
 * @property {ViewState} state
 * @property {(value: number) => string} [axis] a y axis and a time axis are drawn, with these labels
 * @property {(mark: Mark|null, at: {left: number, top: number}) => void} [onMark] the mark under the pointer
 */

const MAIN_SHARE = 0.64;
const STRIP_SHARE = 0.26;
const NEAR_PX = 7;

/** All plots of the page: they share a crosshair. @type {Set<Chart>} */
const charts = new Set();

export class Chart {
    /** @param {HTMLElement} host @param {ChartOptions} options */
    constructor(host, options) {
        this.host = host;
        this.options = options;
        this.mainShare = options.strip === 'none' ? 1 : MAIN_SHARE;
        this.stripShare = options.strip === 'none' ? 0 : STRIP_SHARE;
        this.max = 1;
        this.stripMax = 1;
        /** @type {PlotColumns|null} */
        this.columns = null;
        /** @type {Mark[]} */
        this.marks = [];
        this.u = this.make();
        this.resizer = new ResizeObserver(() => this.fit());
        this.resizer.observe(host);
        document.addEventListener('themechange', this.recolour);
        charts.add(this);
    }

    recolour = () => {
        this.u.destroy();
        this.u = this.make();
        this.redraw();
    };

    /** Other lines than before: what was drawn of the old ones goes. @param {import('./types').LineKind[]} lines */
    reline(lines) {
        this.options.lines = lines;
        this.columns = null;
        this.recolour();
    }

    destroy() {
        charts.delete(this);
        this.resizer.disconnect();
        document.removeEventListener('themechange', this.recolour);
        this.u.destroy();
    }

    make() {
        const {lines, state, axis} = this.options;
        /** @type {uPlot.Series[]} */
        const series = [{}, ...lines.map((kind) => ({scale: kind === 'strip' ? 's' : 'y', points: {show: false}, paths: () => null}))];
        return new uPlot({
            width: Math.max(this.host.clientWidth, 40), height: Math.max(this.host.clientHeight, 40),
            padding: axis ? [6, 16, 0, 0] : [1, 0, 1, 0],
            legend: {show: false},
            scales: {
                x: {time: false, range: () => this.xRange()},
                y: {range: () => [this.max * (1 - 1 / this.mainShare), this.max]},
                s: {range: () => [0, this.stripMax / (this.stripShare || 1)]},
            },
            axes: axis ? this.axes(axis) : [{show: false}, {show: false}],
            series,
            cursor: {
                y: false, points: {show: false}, drag: {x: true, y: false, setScale: false}, focus: {prox: -1},
            },
            hooks: {
                drawClear: [(u) => {
                    if (!this.columns) return;
                    if (this.options.strip === 'heat') drawHeat(u, this.columns, this.stripShare);
                    drawShade(u, this.columns, state.shade);
                    drawUnder(u, this.columns, this);
                    drawStack(u, this.columns, lines);
                    drawLines(u, this.columns, lines);
                }],
                draw: [(u) => {
                    if (this.columns) drawMarks(u, this.columns, this.marks, this.mainShare, lines);
                }],
                setCursor: [(u) => {
                    if (!u.cursor.event) return;
                    const left = u.cursor.left ?? -1;
                    state.point(left >= 0 && this.columns ? (u.posToVal(left, 'x') + this.columns.origin_s) * 1e6 : NaN);
                    this.options.onMark?.(this.markAt(left), {left, top: 0});
                }],
                setSelect: [(u) => {
                    if (u.select.width < 4 || !this.columns) return;
                    const from = u.posToVal(u.select.left, 'x') + this.columns.origin_s;
                    const to = u.posToVal(u.select.left + u.select.width, 'x') + this.columns.origin_s;
                    u.setSelect({left: 0, top: 0, width: 0, height: 0}, false);
                    state.range(from * 1e6, to * 1e6);
                }],
            },
        }, [[], ...lines.map(() => [])], this.host);
    }

    /** @param {(value: number) => string} label @returns {uPlot.Axis[]} */
    axes(label) {
        const colours = ink();
        const look = {stroke: colours.text3, font: colours.font, ticks: {show: false}, grid: {show: false}, gap: 6};
        return [
            {
                ...look, size: 22, scale: 'x',
                splits: (_, __, from, to) => this.timeSplits(from, to),
                values: (_, splits) => splits.map((at) => this.timeLabel(at)),
            },
            {...look, size: 60, scale: 'y', side: 3, splits: () => [0, this.max / 2, this.max], values: (_, splits) => splits.map(label)},
        ];
    }

    /** Following the present: counted back from now, so the labels stand still. @param {number} from @param {number} to */
    timeSplits(from, to) {
        // Not asked of the page: it would lay out all its words first.
        const wide = (this.u?.width ?? this.host.clientWidth) > 560 ? 6 : 3;
        const step = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400].find((one) => (to - from) / one <= wide) ?? 86400;
        const origin = this.columns?.origin_s ?? 0, live = this.options.state.drawn.live;
        const first = live ? to - Math.floor((to - from) / step) * step : Math.ceil((from + origin) / step) * step - origin;
        const splits = [];
        for (let at = first; at <= to + 1e-6; at += step) splits.push(at);
        return splits;
    }

    /** @param {number} at */
    timeLabel(at) {
        const origin = this.columns?.origin_s ?? 0, to = this.u?.scales.x.max ?? at;
        if (!this.options.state.drawn.live) return clock((at + origin) * 1e6);
        return to - at < 0.5 ? 'now' : `−${span(Math.round(to - at))}`;
    }

    /** @returns {[number, number]} */
    xRange() {
        const {columns} = this;
        if (!columns) return [0, 1];
        const drawn = this.options.state.drawn;
        const [from, to] = drawn.live ? [columns.from_us, columns.to_us] : [drawn.from_us, drawn.to_us];
        return [from / 1e6 - columns.origin_s, to / 1e6 - columns.origin_s];
    }

    /** @param {PlotColumns} columns @param {number} max @param {number} stripMax */
    draw(columns, max, stripMax) {
        this.columns = columns;
        this.max = max > 0 ? max : 1;
        this.stripMax = stripMax > 0 ? stripMax : 1;
        this.redraw();
    }

    redraw() {
        if (!this.columns) return;
        const {x, ys} = this.columns;
        // uPlot keeps the scales, axes and the crosshair; it is given the means, and draws no line itself.
        const data = /** @type {uPlot.AlignedData} */ (/** @type {unknown} */ ([x, ...this.options.lines.map((_, line) => ys[line * 3])]));
        // Drawn now: by itself uPlot would draw after the frame's budget was counted.
        this.u.batch(() => this.u.setData(data));
    }

    /** @param {Mark[]} marks */
    mark(marks) {
        this.marks = marks;
        if (this.columns) this.u.redraw(false, false);
    }

    /** @param {number} left CSS px @returns {Mark|null} */
    markAt(left) {
        if (left < 0 || !this.columns) return null;
        let best = null, distance = NEAR_PX;
        for (const mark of this.marks) {
            const away = Math.abs(this.u.valToPos(mark.time_us / 1e6 - this.columns.origin_s, 'x') - left);
            if (away < distance) { distance = away; best = mark; }
        }
        return best;
    }

    /** mean, min, max of each line at a moment, or null where nothing was seen. @param {number} time_us @returns {(number|null)[]|null} */
    valuesAt(time_us) {
        if (!this.columns) return null;
        const {x, step_us, origin_s} = this.columns;
        const at = this.u.valToIdx(time_us / 1e6 - origin_s);
        if (at < 0 || at >= x.length || Math.abs(x[at] - (time_us / 1e6 - origin_s)) > step_us / 1e6) return null;
        return this.columns.ys.map((values) => (values[at] === values[at] ? values[at] : null));
    }

    /** The crosshair of another plot. @param {number} time_us */
    follow(time_us) {
        if (!this.columns) return;
        const left = time_us === time_us ? this.u.valToPos(time_us / 1e6 - this.columns.origin_s, 'x') : -10;
        this.u.setCursor({left, top: left < 0 ? -10 : 1}, false);
    }

    fit() {
        const width = this.host.clientWidth, height = this.host.clientHeight;
        if (width > 20 && height > 20 && (width !== this.u.width || height !== this.u.height)) this.u.setSize({width, height});
    }
}

/** Every plot shows the moment the pointer is on. @param {ViewState} state */
export function shareCrosshair(state) {
    state.addEventListener('cursor', () => {
        for (const chart of charts) chart.follow(state.cursor_us);
    });
    state.addEventListener('shade', () => {
        for (const chart of charts) if (chart.columns) chart.u.redraw(false, false);
    });
}

/** Shapes that pass between the worker, the panels and the page's parts. Times end in their unit. */

export interface SeriesKey {
    metric: string;
    source: string;
    labels: {name: string; value: string}[];
}

export interface LiveTable {
    id: number;
    schema: number;
    rate_hz: number;
    times_us: number[];
    values: number[];
    source: string;
    group: number;
    series: SeriesKey[];
}

export interface ProcessRow {
    number: number;
    name: string;
    unit: string;
    count: number;
    cpu_percent: number;
    rss_bytes: number;
    io_read_bytes_s: number;
    io_write_bytes_s: number;
    gpu_util_percent: number;
    vram_bytes: number;
    pss_bytes: number;
    own: boolean;
}

export interface ProcessTable {
    time_us: number;
    span_s: number;
    rows: ProcessRow[];
    total: number;
}

export interface MonitorEvent {
    id: string;
    kind: string;
    time_us: number;
    producer: string;
    source: string;
    title: string;
    attributes: Record<string, string>;
    spike?: {
        series?: SeriesKey;
        value: number;
        usual_low: number;
        usual_high: number;
        processes?: ProcessTable;
    };
}

export interface ServiceHealth {
    service: string;
    pid: number;
    state: number;
    reason: string;
    time_us: number;
    started_us: number;
    version: string;
    restarts: number;
    counters: Record<string, number>;
}

export interface LiveFrame {
    epoch: number;
    seq: number;
    key: boolean;
    time_us: number;
    tables: LiveTable[];
    events: MonitorEvent[];
    processes?: ProcessTable;
    health: ServiceHealth[];
    conflated: number;
}

/** One line of a plot: which series, and how many become one. */
export interface LineSpec {
    metric: string;
    /** one: the first that matches; sum, max: over all that match, row by row. */
    how: 'one' | 'sum' | 'max';
    source?: string;
}

export interface PlotSpec {
    id: string;
    lines: LineSpec[];
    /** A strip of one row a label value, newest right. */
    heat?: {metric: string; label: string};
    /** Columns wanted: about one a pixel. */
    columns: number;
}

/** What a plot draws from. NaN: nothing to draw at this place. */
export interface PlotColumns {
    id: string;
    from_us: number;
    to_us: number;
    step_us: number;
    /** Seconds since `origin_s`, rising. */
    x: Float64Array;
    origin_s: number;
    /** mean, min, max of each line, one after the other. */
    ys: Float64Array[];
    /** Not seen by anyone: [start, end] in µs. */
    gaps: [number, number][];
    heat?: {rows: number; columns: number; cells: Uint8Array};
    newest_us: number;
    /** Present where a query did not succeed: thing, reason, mend. */
    error?: string;
}

export type View =
    | {live: true; span_s: number}
    | {live: false; from_us: number; to_us: number};

export interface LinkState {
    state: 'connecting' | 'open' | 'waiting' | 'refused';
    transport: 'ws' | 'sse';
    reason: string;
    retry_in_ms: number;
    last_seen_us: number;
}

declare global {
    /** theme.js */
    const wfmonTheme: {readonly choice: string; set(next: string): void};
}

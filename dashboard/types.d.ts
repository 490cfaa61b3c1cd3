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
    tokens: TokenBurst[];
    tokens_left_out: number;
    requests: RequestRecord[];
}

/** Tokens of one request as they came; columns have one entry a chunk, NaN: not measured. */
export interface TokenBurst {
    model: string;
    request_id: string;
    phase: number;
    /** When its prompt was sent, in its first burst; 0: not told. */
    sent_us?: number;
    times_us: number[];
    tokens: number[];
    entropy_bits: number[];
    entropy_low_bits: number[];
    entropy_high_bits: number[];
    certainty: number[];
}

/** One lane of the energy band, four times a second while it moves. NaN: not measured, or not so now. */
export interface LaneFigures {
    model: string;
    middle: number;
    state: 'charging' | 'flowing' | 'stalled' | 'quiet';
    tps: number;
    /** Above `burst_tps` now. */
    bursts: boolean;
    burst_tps: number;
    stall_limit_ms: number;
    /** Tokens that a lightning stands for. */
    per_spark: number;
    /** Its strongest interference with another model, and with which; '': not told. */
    r: number;
    r_with: string;
    last_rate: number;
    last_us: number;
    ttft_ms: number;
    waiting_ms: number;
    stalled_ms: number;
    /** Under way. */
    requests: {id: string; begun_us: number; first_us: number; tokens: number}[];
}

export interface EnergyFigures {
    now_us: number;
    /** Models without a lane, and how many of them do something. */
    more: number;
    more_busy: number;
    left_out: number;
    fidelity: number;
    lag_ms: number;
    /** Bars in place of motion. */
    still: boolean;
    /** Of detail, 0 to 2. */
    level: number;
    /** Tokens that a dot stands for. */
    per_dot: number;
    /** Two lanes go in step, or opposed. */
    joined: boolean;
    /** Of the worker's frames since the last telling. */
    work_p95_ms: number;
    slots: number;
    dropped: number;
    lanes: LaneFigures[];
}

/** One generation (CONTRACTS §6). Absent: not measured. */
export interface RequestRecord {
    id: string;
    model: string;
    runtime: string;
    start_us: number;
    queue_ms?: number | null;
    load_ms?: number | null;
    prefill_ms?: number | null;
    ttft_ms?: number | null;
    ttfa_ms?: number | null;
    e2e_ms?: number | null;
    tpot_ms?: number | null;
    itl_max_ms?: number | null;
    prompt_tokens?: number | null;
    cached_tokens?: number | null;
    reasoning_tokens?: number | null;
    output_tokens?: number | null;
    joules?: number | null;
    /** measured, shared, unknown; '' where there are no joules. */
    joules_attribution?: string;
    energy_mean?: number | null;
    finish_reason: string;
    status: number;
    stalls: number;
    stall: {at_ms: number; length_ms: number}[];
    error: string;
    producer?: string;
}

/** How a line of a plot is drawn; `stack`: as a layer of the first line's whole. */
export type LineKind = 'main' | 'second' | 'strip' | 'stack';

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

/**
 * Writes the page's readers of the live schemas, `gen/live.js`, with the `pbf` program:
 *
 *     node tools/gen.mjs            write
 *     node tools/gen.mjs --check    exit code 1 where the committed file is not what the schemas give
 *
 * `pbf` looks for an import beside the file that asks, while the schemas import from the root of
 * `proto/`; so the schemas that live.proto needs are first put into one text, each once.
 */
import {execFileSync} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';

const DASHBOARD = dirname(dirname(fileURLToPath(import.meta.url)));
const PROTO = join(dirname(DASHBOARD), 'proto');
const TARGET = join(DASHBOARD, 'gen', 'live.js');
const HEADER = '// @ts-nocheck\n// Generated from proto/wfmonitor/v1/live.proto by tools/gen.mjs (pbf). Do not edit.\n';

/** The body of a schema and of all it imports, each once, what is imported first. */
function flatten(path, seen = new Set()) {
    if (seen.has(path)) return '';
    seen.add(path);
    const text = readFileSync(join(PROTO, path), 'utf8');
    let out = '';
    for (const [, imported] of text.matchAll(/^import "(.+)";$/gm)) out += flatten(imported, seen);
    return out + text.replace(/^(syntax|package|import) .*;$/gm, '');
}

function generate() {
    const folder = mkdtempSync(join(tmpdir(), 'wfmon-pbf-'));
    try {
        const schema = join(folder, 'live.proto');
        writeFileSync(schema, `syntax = "proto3";\n${flatten('wfmonitor/v1/live.proto')}`);
        return HEADER + execFileSync('npx', ['--no-install', 'pbf', schema, '--no-write'], {cwd: DASHBOARD, encoding: 'utf8'});
    } finally {
        rmSync(folder, {recursive: true});
    }
}

const fresh = generate();
if (process.argv.includes('--check')) {
    if (readFileSync(TARGET, 'utf8') !== fresh) {
        console.error('dashboard/gen/live.js is not what proto/ gives: run `node dashboard/tools/gen.mjs`');
        process.exit(1);
    }
} else {
    writeFileSync(TARGET, fresh);
    console.log(`wrote ${TARGET}`);
}

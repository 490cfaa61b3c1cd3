/**
 * Copies what the page uses of other projects from node_modules into `vendor/`, with licences and
 * the SHA-256 of every file:
 *
 *     node tools/vendor.mjs           copy and write vendor/MANIFEST.sha256
 *     node tools/vendor.mjs --check   exit code 1 where a file is not what the manifest says
 *
 * The manifest is in the form of `sha256sum`, so `cd vendor && sha256sum -c MANIFEST.sha256` does the same.
 */
import {createHash} from 'node:crypto';
import {copyFileSync, mkdirSync, readFileSync, readdirSync, writeFileSync} from 'node:fs';
import {dirname, join, relative} from 'node:path';
import {fileURLToPath} from 'node:url';

const DASHBOARD = dirname(dirname(fileURLToPath(import.meta.url)));
const VENDOR = join(DASHBOARD, 'vendor');
const MANIFEST = join(VENDOR, 'MANIFEST.sha256');

/** [file in node_modules, file in vendor] */
const FILES = [
    ['uplot/dist/uPlot.esm.js', 'uplot/uPlot.js'],
    ['uplot/dist/uPlot.d.ts', 'uplot/uPlot.d.ts'],
    ['uplot/dist/uPlot.min.css', 'uplot/uPlot.css'],
    ['uplot/LICENSE', 'uplot/LICENSE'],
    ['pbf/index.js', 'pbf/pbf.js'],
    ['pbf/index.d.ts', 'pbf/pbf.d.ts'],
    ['pbf/LICENSE', 'pbf/LICENSE'],
    ['@fontsource-variable/inter/files/inter-latin-wght-normal.woff2', 'inter/inter-latin.woff2'],
    ['@fontsource-variable/inter/LICENSE', 'inter/LICENSE'],
];

function filesUnder(folder) {
    return readdirSync(folder, {withFileTypes: true}).flatMap((entry) => {
        const path = join(folder, entry.name);
        return entry.isDirectory() ? filesUnder(path) : path === MANIFEST ? [] : [relative(VENDOR, path)];
    }).sort();
}

function manifest() {
    return filesUnder(VENDOR).map((name) => {
        const sum = createHash('sha256').update(readFileSync(join(VENDOR, name))).digest('hex');
        return `${sum}  ${name}\n`;
    }).join('');
}

if (process.argv.includes('--check')) {
    const said = readFileSync(MANIFEST, 'utf8');
    const found = manifest();
    if (said !== found) {
        const lines = new Set(said.split('\n'));
        const wrong = found.split('\n').filter((line) => !lines.has(line)).map((line) => line.slice(66));
        console.error(`dashboard/vendor differs from its manifest (${wrong.join(', ') || 'a file is missing'}): run \`npm ci && npm run vendor\` and look at the difference`);
        process.exit(1);
    }
} else {
    for (const [from, to] of FILES) {
        mkdirSync(dirname(join(VENDOR, to)), {recursive: true});
        copyFileSync(join(DASHBOARD, 'node_modules', from), join(VENDOR, to));
    }
    writeFileSync(MANIFEST, manifest());
    console.log(`wrote ${MANIFEST}`);
}

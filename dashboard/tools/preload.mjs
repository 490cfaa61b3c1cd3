/**
 * Keeps the list of modules in index.html, so the browser fetches all of them at once and not level by level:
 *
 *     node tools/preload.mjs            write
 *     node tools/preload.mjs --check    exit code 1 where the list is not what the modules import
 */
import {readFileSync, writeFileSync} from 'node:fs';
import {dirname, join, posix} from 'node:path';
import {fileURLToPath} from 'node:url';

const DASHBOARD = dirname(dirname(fileURLToPath(import.meta.url)));
const PAGE = join(DASHBOARD, 'index.html');
const LIST = /(<!-- modules: tools\/preload\.mjs -->\n)[^]*?(<!-- end of modules -->)/;

/** @param {string} path relative to the dashboard @param {Set<string>} seen */
function follow(path, seen) {
    if (seen.has(path)) return seen;
    seen.add(path);
    const text = readFileSync(join(DASHBOARD, path), 'utf8');
    for (const [, name] of text.matchAll(/^(?:import|export) (?:.*? from )?'(\.[^']+)';$/gm)) follow(posix.join(posix.dirname(path), name), seen);
    return seen;
}

const links = [...follow('main.js', new Set())].slice(1).sort().map((path) => `<link rel="modulepreload" href="./${path}">\n`).join('');
const said = readFileSync(PAGE, 'utf8');
const fresh = said.replace(LIST, (_, start, end) => start + links + end);
if (process.argv.includes('--check')) {
    if (said !== fresh) {
        console.error('dashboard/index.html does not name the modules that main.js imports: run `node dashboard/tools/preload.mjs`');
        process.exit(1);
    }
} else {
    writeFileSync(PAGE, fresh);
    console.log(`wrote ${PAGE}`);
}

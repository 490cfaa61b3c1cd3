/**
 * All panels, in the order in which they stand. A panel is {id, area, title, shown(context), mount(host, context)};
 * it is not there until `shown` says that it has data. Areas: energy (4 and 2 columns), system (one row), main (4 columns), side (2), foot.
 */
import cpu from './cpu.js';
import devices from './devices.js';
import disk from './disk.js';
import energyDays from './energy-days.js';
import energy from './energy.js';
import focus from './focus.js';
import frames from './frames.js';
import {gpu, noGpu} from './gpu.js';
import happened from './happened.js';
import memory from './memory.js';
import numbers from './model-numbers.js';
import network from './network.js';
import processes from './processes.js';
import requests from './requests.js';
import storage from './storage.js';
import vram from './vram.js';

/** @typedef {{id: string, area: string, title: string, shown: (context: import('../context.js').Context) => boolean, mount: (host: HTMLElement, context: import('../context.js').Context) => void}} Panel */

/** @type {Panel[]} */
export const panels = [energy, numbers, cpu, memory, gpu, vram, noGpu, disk, network, requests, focus, happened, processes, devices, energyDays, frames, storage];

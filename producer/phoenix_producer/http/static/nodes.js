// Nodes with their room, where the server tells of them.
import { askIfThere } from './api.js';
import { h } from './dom.js';

export function nodes() {
  return { element: h('div', { hidden: true }), async refresh() { await askIfThere; } };
}

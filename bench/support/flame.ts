import { Inspector } from './inspector.js';

/** As the inspector's profiler gives it. */
interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string };
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

const samplingUs = 200;
const width = 1_200;
const rowHeight = 17;
const top = 40;
/** Narrower ones are left out, and so is what is above them. */
const leastWidth = 1.5;
const characterWidth = 6.2;

/** Where the time goes while the work is done, as a flame graph: an SVG that needs nothing else. */
export async function drawFlames(inspectorPort: number, title: string, work: () => Promise<unknown>): Promise<string> {
  const inspector = await Inspector.connect(inspectorPort);
  await inspector.ask('Profiler.enable');
  await inspector.ask('Profiler.setSamplingInterval', { interval: samplingUs });
  await inspector.ask('Profiler.start');
  await work();
  const { profile } = await inspector.ask<{ profile: CpuProfile }>('Profiler.stop');
  inspector.close();
  return draw(profile, title);
}

/** A function in one place of the stack, with all it calls. */
interface Frame {
  readonly name: string;
  us: number;
  readonly callees: Map<string, Frame>;
}

/** Calls of one function from one place are one frame; what waits is left out. */
function framesOf({ nodes, samples, timeDeltas }: CpuProfile): Frame {
  const ownUs = new Map<number, number>();
  for (const [at, id] of samples.entries()) ownUs.set(id, (ownUs.get(id) ?? 0) + timeDeltas[at]!);
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const top: Frame = { name: 'all', us: 0, callees: new Map() };
  const add = (id: number, path: readonly Frame[]): void => {
    const { callFrame, children = [] } = byId.get(id)!;
    const name = nameOf(callFrame);
    if (name === '(idle)') return;
    const parent = path.at(-1)!;
    const frame: Frame = parent.callees.get(name) ?? { name, us: 0, callees: new Map() };
    parent.callees.set(name, frame);
    const way = [...path, frame];
    for (const passed of way) passed.us += ownUs.get(id) ?? 0;
    for (const child of children) add(child, way);
  };
  for (const child of nodes[0]?.children ?? []) add(child, [top]);
  return top;
}

function nameOf({ functionName, url }: CpuProfile['nodes'][number]['callFrame']): string {
  const library = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1];
  const where = library ?? url.split('/').slice(-2).join('/');
  return `${functionName || '(anonymous)'}${where === '' ? '' : ` ${where}`}`;
}

function draw(profile: CpuProfile, title: string): string {
  const all = framesOf(profile);
  const scale = width / Math.max(1, all.us);
  const boxes: string[] = [];
  let depthMost = 0;
  const place = (frame: Frame, x: number, depth: number): void => {
    if (frame.us * scale < leastWidth) return;
    depthMost = Math.max(depthMost, depth);
    boxes.push(box(frame, { x, y: top + depth * rowHeight, width: frame.us * scale, share: frame.us / all.us }));
    let at = x;
    for (const callee of [...frame.callees.values()].sort((a, b) => b.us - a.us)) {
      place(callee, at, depth + 1);
      at += callee.us * scale;
    }
  };
  place(all, 0, 0);
  const height = top + (depthMost + 1) * rowHeight + 8;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">
<title>${escaped(title)}</title>
<style>text { font: 11px ui-monospace, monospace; fill: #1f2328 } .title { font: 600 15px system-ui, sans-serif }</style>
<rect width="${width}" height="${height}" fill="#ffffff" rx="8"/>
<text class="title" x="8" y="24">${escaped(title)}</text>
${boxes.join('\n')}
</svg>
`;
}

function box(
  { name }: Frame,
  { x, y, width, share }: { readonly x: number; readonly y: number; readonly width: number; readonly share: number },
): string {
  // The same function has the same colour everywhere.
  const hue = 15 + (([...name].reduce((sum, character) => sum * 31 + character.charCodeAt(0), 7) >>> 0) % 45);
  const fits = Math.floor((width - 4) / characterWidth);
  const label = fits < 3 ? '' : name.length <= fits ? name : `${name.slice(0, fits - 1)}…`;
  const rectangle = `<rect x="${x.toFixed(1)}" y="${y}" width="${Math.max(0.5, width - 0.5).toFixed(1)}" height="${rowHeight - 1}" fill="hsl(${hue} 90% 72%)"/>`;
  const text = label === '' ? '' : `<text x="${(x + 3).toFixed(1)}" y="${y + 12}">${escaped(label)}</text>`;
  return `<g><title>${escaped(name)}: ${(share * 100).toFixed(1)} %</title>${rectangle}${text}</g>`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

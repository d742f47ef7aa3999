import { describeLimit, isMet, type Limit, type Report } from './report.js';

const width = 960;
const margin = 24;
const barsWidth = 540;
const barsTop = 152;
const rowHeight = 46;
const barHeight = 14;
/** A bar that would be longer than this share ends here with an arrow; its number is beside it. */
const shareMost = 2;

const style = `
  .ground { fill: #ffffff } .text { fill: #1f2328 } .quiet { fill: #59636e }
  .met { fill: #0969da } .missed { fill: url(#hatch); stroke: #bc4c00 } .hatch { stroke: #bc4c00 } .line { stroke: #1f2328 }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117 } .text { fill: #f0f6fc } .quiet { fill: #9198a1 }
    .met { fill: #4493f8 } .missed { stroke: #f0883e } .hatch { stroke: #f0883e } .line { stroke: #f0f6fc }
  }
  text { font: 13px system-ui, sans-serif } .title { font-size: 18px; font-weight: 600 } .bold { font-weight: 600 }
  .code { font: 12px ui-monospace, monospace }`;

/** Every limit of a report as a bar: what was measured as a share of what is allowed. An SVG that needs nothing else. */
export function drawReport(report: Report): string {
  const { limits, command, date, seed, rounds } = report;
  const { machine } = report.surroundings;
  const met = limits.filter(isMet).length;
  const longest = Math.min(shareMost, Math.max(1.1, ...limits.map(shareOf)));
  const x = (share: number) => Math.round(margin + (Math.min(share, longest) / longest) * barsWidth);
  const bottom = barsTop + limits.length * rowHeight;
  const [, , script] = command.split(' ');
  const title = `${script} — ${limits.length === 0 ? 'it has no limits' : `${met} of ${limits.length} limits met`}${report.void === null ? '' : ' (void)'}`;
  const where = `${machine.cores} × ${machine.processor} · ${machine.memoryGib} GiB · ${machine.system} · Node ${machine.node}`;
  const when = `${date.slice(0, 16).replace('T', ' ')} UTC`;
  const key =
    report.void === null
      ? 'What was measured as a share of what is allowed. Solid: met. Hatched: missed.'
      : `Void: ${report.void}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${bottom + margin}" viewBox="0 0 ${width} ${bottom + margin}" role="img">
<title>${escaped(title)}</title>
<style>${style}
</style>
<pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path class="hatch" stroke-width="4" d="M0 0V6"/></pattern>
<rect class="ground" width="${width}" height="${bottom + margin}" rx="8"/>
${write(margin, 34, 'text title', title)}
${write(margin, 58, 'text code', command)}
${write(margin, 80, 'quiet', `${when} · seed ${seed} · ${rounds} rounds · ${where}`)}
${write(margin, 100, 'quiet', key)}
${limits.length === 0 ? '' : write(x(1) - 20, barsTop - 18, 'text', 'the limit')}
${limits.map((limit, row) => drawLimit(limit, barsTop + row * rowHeight, x)).join('\n')}
</svg>
`;
}

function drawLimit(limit: Limit, top: number, x: (share: number) => number): string {
  const share = shareOf(limit);
  const isCut = share > shareMost;
  const [className, verdict] = isMet(limit) ? ['met', 'met'] : ['missed', 'MISSED'];
  const figures = `${verdict} · ${describeLimit(limit)}`;
  const barTop = top + 18;
  return [
    write(margin, top + 12, 'text', limit.what),
    `<rect class="${className}" x="${margin}" y="${barTop}" width="${Math.max(1, x(share) - margin)}" height="${barHeight}"/>`,
    `<path class="line" stroke-width="2" d="M${x(1)} ${barTop - 2}v${barHeight + 4}"/>`,
    write(margin + barsWidth + 20, barTop + 12, isMet(limit) ? 'text' : 'text bold', figures),
    ...(isCut ? [write(margin + barsWidth + 2, barTop + 12, 'text', '▸')] : []),
  ].join('\n');
}

/** Above 1: missed. Of what is to be at least so much, the share is the other way round. */
function shareOf(limit: Limit): number {
  const [share, whole] = 'most' in limit ? [limit.measured, limit.most] : [limit.least, limit.measured];
  if (share <= 0) return 0;
  return whole > 0 ? share / whole : Number.POSITIVE_INFINITY;
}

function write(x: number, y: number, className: string, text: string): string {
  return `<text x="${x}" y="${y}" class="${className}">${escaped(text)}</text>`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

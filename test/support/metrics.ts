/** Values by series as the text names them: `name` or `name{label="value"}`. */
export type Scraped = ReadonlyMap<string, number>;

const series = /^([a-z_][a-z0-9_]*(?:\{(?:[a-z_]+="[^"\\\n]*",?)+\})?) (\S+)$/i;

/** Reads metrics as Prometheus does, and insists that every line is one. */
export async function scrape(url: string | null): Promise<Scraped> {
  const response = await fetch(url!);
  const text = await response.text();
  expect(response.status).toBe(200);
  const values = new Map<string, number>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('# HELP ') || line.startsWith('# TYPE ')) continue;
    const [, name, value] = series.exec(line) ?? [];
    if (name === undefined || values.has(name)) throw new Error(`not a line of metrics: ${line}`);
    values.set(name, Number(value));
  }
  return values;
}

/** What has come since: the series whose value is another one. */
export function since(before: Scraped, after: Scraped): Record<string, number> {
  const moved: Record<string, number> = {};
  for (const [name, value] of after) {
    const change = value - (before.get(name) ?? 0);
    if (name.startsWith('floodgate_') && change !== 0) moved[name.replace('floodgate_', '')] = change;
  }
  return moved;
}

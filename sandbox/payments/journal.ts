import { closeSync, createReadStream, existsSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { sandboxLimits } from './limits.js';

/**
 * A file of JSON lines, one for each changed object; read back, the last line for an id wins. Lines are gathered for a moment and
 * written together, so a crash may lose that moment, a clean stop nothing.
 */
export class Journal {
  readonly #path: string;
  readonly #snapshot: () => Iterable<string>;
  #file: number | undefined;
  #lines: string[] = [];
  #timer: NodeJS.Timeout | undefined;
  #compactBytes = 0;
  #bytes = 0;

  /** @param snapshot every line needed to rebuild the present state; used whenever the file is rewritten. */
  constructor(path: string, snapshot: () => Iterable<string>) {
    this.#path = path;
    this.#snapshot = snapshot;
  }

  /** Hands over every stored value in order. A torn last line is what a crash leaves and is skipped; elsewhere it is an error. */
  async read(take: (value: unknown) => void): Promise<void> {
    if (!existsSync(this.#path)) return;
    let tornLine = 0;
    let lineNumber = 0;
    for await (const line of createInterface({ input: createReadStream(this.#path, 'utf8'), crlfDelay: Infinity })) {
      lineNumber += 1;
      if (line === '') continue;
      if (tornLine > 0) throw new Error(`${this.#path}: line ${tornLine} is not JSON`);
      try {
        take(JSON.parse(line));
      } catch (problem) {
        if (!(problem instanceof SyntaxError)) throw problem;
        tornLine = lineNumber;
      }
    }
  }

  /** Rewrites the file with the present state only, beside the old one, and swaps them. Blocks while it writes. */
  compact(): void {
    this.#lines = [];
    const beside = `${this.#path}.new`;
    const file = openSync(beside, 'w');
    this.#bytes = 0;
    let chunk: string[] = [];
    for (const line of this.#snapshot()) {
      chunk.push(line);
      if (chunk.length < 500) continue;
      this.#write(file, chunk);
      chunk = [];
    }
    this.#write(file, chunk);
    fsyncSync(file);
    closeSync(file);
    renameSync(beside, this.#path);
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = openSync(this.#path, 'a');
    this.#compactBytes = this.#bytes;
  }

  append(line: string): void {
    this.#lines.push(line);
    this.#timer ??= setTimeout(() => this.flush(), sandboxLimits.journalDelayMs);
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#file === undefined || this.#lines.length === 0) return;
    this.#write(this.#file, this.#lines);
    this.#lines = [];
    const grown = this.#bytes - this.#compactBytes;
    if (grown > Math.max(sandboxLimits.journalGrowthBytes, this.#compactBytes)) this.compact();
  }

  close(): void {
    this.flush();
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  #write(file: number, lines: readonly string[]): void {
    if (lines.length === 0) return;
    const bytes = Buffer.from(`${lines.join('\n')}\n`);
    for (let written = 0; written < bytes.length; ) written += writeSync(file, bytes, written);
    this.#bytes += bytes.length;
  }
}

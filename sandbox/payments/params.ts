import type { CreatedRange, PageQuery } from './ledger.js';
import { sandboxLimits } from './limits.js';
import { badParameter, type Refusal } from './refusals.js';

type Refuse = (param: string, message: string, code?: string) => void;

export type Params = Readonly<Record<string, unknown>>;

/**
 * Reads the parameters of one call and keeps the first thing that is wrong. Names outside `allowed` are refused, as the provider
 * does, which also makes plain what the sandbox does not speak.
 */
export class ParamReader {
  refusal: Refusal | undefined;
  readonly #params: Params;
  readonly #tellParent: Refuse;

  constructor(params: Params, allowed: readonly string[], tellParent: Refuse = () => undefined) {
    this.#params = params;
    this.#tellParent = tellParent;
    for (const name of Object.keys(params)) {
      if (!allowed.includes(name)) this.refuse(name, `Received unknown parameter: ${name}`, 'parameter_unknown');
    }
  }

  /** What was sent, refused or not. */
  get names(): string[] {
    return Object.keys(this.#params);
  }

  text(name: string): string | undefined {
    const value = this.#params[name];
    if (value === undefined || value === '') return undefined;
    if (typeof value === 'string' && value.length <= sandboxLimits.textLength) return value;
    this.refuse(name, `Invalid string for ${name}`);
    return undefined;
  }

  /** An http(s) URL: anything else must not end up in a redirect. */
  webAddress(name: string): string | undefined {
    const value = this.text(name);
    if (value === undefined || (/^https?:/i.test(value) && URL.canParse(value))) return value;
    this.refuse(name, `Invalid URL: ${name}`, 'url_invalid');
    return undefined;
  }

  requiredText(name: string): string {
    return this.text(name) ?? this.#missing(name, '');
  }

  oneOf<T extends string>(name: string, values: readonly T[]): T | undefined {
    const value = this.text(name);
    const found = values.find((candidate) => candidate === value);
    if (value !== undefined && found === undefined)
      this.refuse(name, `Invalid ${name}: must be one of ${values.join(', ')}`);
    return found;
  }

  flag(name: string): boolean | undefined {
    const value = this.oneOf(name, ['true', 'false']);
    return value === undefined ? undefined : value === 'true';
  }

  positiveInteger(name: string): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    if (/^\d{1,15}$/.test(value) && Number(value) >= 1) return Number(value);
    this.refuse(name, `Invalid positive integer: ${value}`, 'parameter_invalid_integer');
    return undefined;
  }

  requiredInteger(name: string): number {
    return this.positiveInteger(name) ?? this.#missing(name, 0);
  }

  /** A nested hash such as `payment_method_options[card]`; undefined when absent. */
  hash(name: string, allowed: readonly string[]): ParamReader | undefined {
    const value = this.#params[name];
    if (value === undefined) return undefined;
    if (!isHash(value)) {
      this.refuse(name, 'Invalid hash');
      return undefined;
    }
    return new ParamReader(value, allowed, (param, message, code) => this.refuse(nested(name, param), message, code));
  }

  metadata(): Record<string, string> {
    const value = this.#params.metadata;
    if (value === undefined || value === '') return {};
    if (!isHash(value)) {
      this.refuse('metadata', 'Invalid hash');
      return {};
    }
    const pairs = Object.entries(value).filter(([, text]) => text !== '');
    if (pairs.length > sandboxLimits.metadataKeys) this.refuse('metadata', 'Too many metadata keys');
    const metadata: Record<string, string> = {};
    for (const [key, text] of pairs) {
      if (key.length > sandboxLimits.metadataKeyLength) this.refuse(`metadata[${key}]`, 'Metadata key is too long');
      if (typeof text === 'string' && text.length <= sandboxLimits.metadataValueLength) metadata[key] = text;
      else this.refuse(`metadata[${key}]`, 'Metadata values are strings of at most 500 characters');
    }
    return metadata;
  }

  /** The names to expand; a name outside `expandable` is refused. */
  expand(expandable: readonly string[]): string[] {
    const value = this.#params.expand;
    if (value === undefined) return [];
    const names = Array.isArray(value) ? value : [value];
    for (const name of names) {
      if (!expandable.includes(name)) this.refuse('expand', `This property cannot be expanded (${String(name)}).`);
    }
    return names.filter((name): name is string => typeof name === 'string');
  }

  page(): PageQuery {
    const limit = this.positiveInteger('limit') ?? 10;
    if (limit > sandboxLimits.pageSize) this.refuse('limit', 'Invalid limit: at most 100', 'parameter_invalid_integer');
    return {
      limit,
      startingAfter: this.text('starting_after'),
      endingBefore: this.text('ending_before'),
      created: this.#created(),
    };
  }

  texts(name: string): string[] {
    const value = this.#params[name];
    if (value === undefined) return [];
    return (Array.isArray(value) ? value : [value]).filter((text): text is string => typeof text === 'string');
  }

  #created(): CreatedRange {
    const value = this.#params.created;
    if (value === undefined) return { from: 0, to: Number.POSITIVE_INFINITY };
    if (!isHash(value)) {
      const exact = this.positiveInteger('created') ?? 0;
      return { from: exact, to: exact };
    }
    const bounds = new Map<string, number>();
    for (const [name, text] of Object.entries(value)) {
      if (['gt', 'gte', 'lt', 'lte'].includes(name) && typeof text === 'string' && /^\d{1,15}$/.test(text))
        bounds.set(name, Number(text));
      else this.refuse(`created[${name}]`, 'Invalid timestamp', 'parameter_invalid_integer');
    }
    const above = bounds.get('gt');
    const below = bounds.get('lt');
    return {
      from: Math.max(bounds.get('gte') ?? 0, above === undefined ? 0 : above + 1),
      to: Math.min(
        bounds.get('lte') ?? Number.POSITIVE_INFINITY,
        below === undefined ? Number.POSITIVE_INFINITY : below - 1,
      ),
    };
  }

  #missing<T>(name: string, instead: T): T {
    this.refuse(name, `Missing required param: ${name}.`, 'parameter_missing');
    return instead;
  }

  /** For a value that is wrong for a reason only the caller knows; only the first is kept. */
  refuse(param: string, message: string, code?: string): void {
    this.refusal ??= badParameter(param, message, code);
    this.#tellParent(param, message, code);
  }
}

/** `a` and `b[c]` become `a[b][c]`. */
function nested(outer: string, inner: string): string {
  const [first, ...rest] = inner.split('[');
  return `${outer}[${first}]${rest.map((part) => `[${part}`).join('')}`;
}

function isHash(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

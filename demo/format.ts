// Numbers as people read them: grouped digits, bytes, seconds, milliseconds. One place, so that they look alike everywhere.

/** What searches, as people know it. */
export const DEVICES = { webgpu: 'WebGPU', wasm: 'WASM', js: 'JavaScript' } as const;

const grouped = new Intl.NumberFormat('en');
const date = new Intl.DateTimeFormat('en', { dateStyle: 'medium' });

/** 12087 as "12,087". */
export function count(value: number): string {
  return grouped.format(Math.round(value));
}

/** "1 passage", "12,087 passages". */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** 9752000 as "9.8 MB". */
export function bytes(value: number): string {
  if (value < 1000) return `${value} B`;
  const [size, unit] = value < 1e6 ? [value / 1e3, 'kB'] : value < 1e9 ? [value / 1e6, 'MB'] : [value / 1e9, 'GB'];
  return `${size < 10 ? size.toFixed(1) : Math.round(size)} ${unit}`;
}

/** Milliseconds, no finer than browsers measure: "< 0.1 ms", "3.1 ms", "118 ms". */
export function milliseconds(value: number): string {
  if (value < 0.05) return '< 0.1 ms';
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

/** A stretch of time to wait: "4 s", "2 min". */
export function duration(seconds: number): string {
  return seconds < 90 ? `${Math.max(1, Math.round(seconds))} s` : `${Math.round(seconds / 60)} min`;
}

export function day(value: Date): string {
  return date.format(value);
}

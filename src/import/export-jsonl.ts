// Records of a collection as JSON Lines, which `importJsonl` reads back.
import type { Collection, ScrollOptions } from 'piramid';

/** Records per page that is read. */
const PAGE = 1000;

const EVERYTHING = ['text', 'context', 'metadata', 'vector'] as const;

/** Which records, and which of their fields: all of them by default. */
export type ExportJsonlOptions<M extends object> = Pick<ScrollOptions<M>, 'where' | 'select' | 'signal'>;

/**
 * The records of a collection as a file: one `{ id, vector?, text?, context?, metadata? }` per line, UTF-8, in order of
 * writing. Read it at your own pace (nothing is produced ahead). A date in metadata is `{ "$date": "…" }`. For an exact
 * copy of all collections and their options, use `db.export`.
 */
export function exportJsonl<M extends object>(
  collection: Pick<Collection<M>, 'scroll'>,
  options: ExportJsonlOptions<M> = {},
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const encoder = new TextEncoder();
  let cursor: string | undefined;
  return new ReadableStream(
    {
      async pull(controller) {
        const page = await collection.scroll({
          ...options,
          select: options.select ?? EVERYTHING,
          limit: PAGE,
          ...(cursor !== undefined && { cursor }),
        });
        cursor = page.next;
        const lines = page.records.map(({ vector, metadata, ...record }) =>
          JSON.stringify({
            ...record,
            ...(metadata && { metadata: tagged(metadata) }),
            ...(vector && { vector: Array.from(vector) }),
          }),
        );
        if (lines.length > 0) controller.enqueue(encoder.encode(`${lines.join('\n')}\n`));
        if (cursor === undefined) controller.close();
      },
    },
    { highWaterMark: 0 },
  );
}

function tagged(value: unknown): unknown {
  if (value instanceof Date) return { $date: value.toISOString() };
  if (Array.isArray(value)) return value.map(tagged);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, tagged(field)]));
}

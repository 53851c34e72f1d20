import { isPart, type AnyCollection, type Field, type PlainRow } from "../../collections/index.js";
import { partKey } from "../../shared/partNames.js";

/** How the texts of a document begin, by part (see `partKey`). */
export type Previews = Readonly<Record<string, string>>;

/** A row with the beginnings of its texts, those of the document's present life. */
export function withPreviews(
  definition: AnyCollection,
  row: PlainRow | null,
  previews: Previews | undefined,
  incarnation: number,
): PlainRow | null {
  if (row === null || previews === undefined) return row;
  const shown = partFields(definition).flatMap((field) => {
    const preview = previews[partKey({ field, incarnation })];
    return preview === undefined ? [] : [[field, preview] as const];
  });
  return shown.length === 0 ? row : ({ ...row, ...Object.fromEntries(shown) } as PlainRow);
}

/** A row as its definition checks it: previews are for reading only. */
export function withoutPreviews(definition: AnyCollection, row: PlainRow): PlainRow {
  const parts = partFields(definition).filter((field) => Object.hasOwn(row, field));
  if (parts.length === 0) return row;
  return Object.fromEntries(Object.entries(row).filter(([name]) => !parts.includes(name))) as PlainRow;
}

function partFields(definition: AnyCollection): string[] {
  return Object.entries(definition.fields as Record<string, Field>).flatMap(([name, field]) =>
    isPart(field) ? [name] : [],
  );
}

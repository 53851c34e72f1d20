/** Which field of a document a part is, in which of its lives. */
export interface PartName {
  readonly field: string;
  readonly incarnation: number;
}

/**
 * The name of a part on the wire and in the tables: its field, and after a deletion the incarnation with it, so that
 * the text of a deleted document does not come back with a later insert of its id.
 */
export function partKey({ field, incarnation }: PartName): string {
  return incarnation === 0 ? field : `${field}\0${incarnation}`;
}

/** @returns null if no part can be named so */
export function parsePart(part: string): PartName | null {
  const [field = "", incarnation, ...rest] = part.split("\0");
  if (field === "" || rest.length > 0) return null;
  if (incarnation === undefined) return { field, incarnation: 0 };
  return /^[1-9][0-9]{0,14}$/.test(incarnation) ? { field, incarnation: Number(incarnation) } : null;
}

// What is on the screens of a device's tabs: the documents that its next opening shows first.
import { keyOf } from "./keys.js";

interface Name {
  readonly collection: string;
  readonly id: string;
}

/** How much of what was on screens is kept where it is read first, each with its reason. */
export const screenLimits = {
  /** Five lists of fifty. They are read before the first rows show, at 8 µs each. */
  documents: 256,
  /** As much as a page holds, which is read in 2 ms. */
  bytes: 1024 * 1024,
} as const;

/** One screen of several lists: the first of each, then the second of each, …; so that none takes all the place. */
export function dealOut(lists: readonly (readonly Name[])[], most: number = screenLimits.documents): Name[] {
  const longest = Math.max(0, ...lists.map(({ length }) => length));
  const dealt = new Map<string, Name>();
  for (let at = 0; at < longest && dealt.size < most; at++)
    for (const list of lists) {
      const name = list[at];
      if (name !== undefined && dealt.size < most) put(dealt, name);
    }
  return [...dealt.values()];
}

/** What was on screens most recently: one screen after the other, each document once, as many as there is room for. */
export function joinScreens(
  screens: readonly (readonly Name[])[],
  most: number = screenLimits.documents,
): Name[] {
  const joined = new Map<string, Name>();
  for (const name of screens.flat()) {
    if (joined.size === most) break;
    put(joined, name);
  }
  return [...joined.values()];
}

/** Whether both are of the same documents, in whatever order. */
export function isSameScreen(a: readonly Name[], b: readonly Name[]): boolean {
  const keys = new Set(a.map(keyOfDocument));
  return keys.size === new Set(b.map(keyOfDocument)).size && b.every((name) => keys.has(keyOfDocument(name)));
}

/**
 * What of a screen can be kept: documents that are there, of at most so many bytes in all. One that has no room leaves it
 * to those that come after it.
 *
 * @param documentOf - undefined: the device does not hold it
 */
export function keptOf<Document extends { readonly row: object | null; readonly base: Uint8Array }>(
  screen: readonly Name[],
  documentOf: (name: Name) => Document | undefined,
  mostBytes: number = screenLimits.bytes,
): Document[] {
  let bytes = 0;
  return screen.flatMap((name) => {
    const document = documentOf(name);
    if (document === undefined || document.row === null) return [];
    if (bytes + document.base.length > mostBytes) return [];
    bytes += document.base.length;
    return [document];
  });
}

function put(names: Map<string, Name>, name: Name): void {
  const key = keyOfDocument(name);
  if (!names.has(key)) names.set(key, name);
}

function keyOfDocument({ collection, id }: Name): string {
  return keyOf(collection, id);
}

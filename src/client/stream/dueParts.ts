import type { DocumentName } from "../base/tabMessages.js";
import { keyOf, keyOfPart } from "../core/keys.js";
import type { PartPlace } from "../ports/storage.js";

/** Parts that are to be read in advance: there may be ten thousand. */
export class DueParts {
  /** By document, in the order in which they came to be due. */
  readonly #byDocument = new Map<string, Map<string, PartPlace>>();
  /** Those whose reading has failed. */
  readonly #failed = new Map<string, PartPlace>();

  has({ collection, id, part }: PartPlace): boolean {
    return this.#byDocument.get(keyOf(collection, id))?.has(part) === true;
  }

  add(place: PartPlace): void {
    const document = keyOf(place.collection, place.id);
    const own = this.#byDocument.get(document) ?? new Map<string, PartPlace>();
    this.#byDocument.set(document, own.set(place.part, place));
  }

  /** It is read, or there is nothing to be read. */
  remove(place: PartPlace): void {
    const document = keyOf(place.collection, place.id);
    const own = this.#byDocument.get(document);
    own?.delete(place.part);
    if (own?.size === 0) this.#byDocument.delete(document);
    this.#failed.delete(keyOfPart(place));
  }

  removeDocument({ collection, id }: DocumentName): void {
    const own = this.#byDocument.get(keyOf(collection, id));
    for (const place of [...(own?.values() ?? [])]) this.remove(place);
  }

  /** It comes after all others from now on, one that has failed before that as well. */
  noteFailed(place: PartPlace): void {
    const key = keyOfPart(place);
    this.#failed.delete(key);
    if (this.has(place)) this.#failed.set(key, place);
  }

  clear(): void {
    this.#byDocument.clear();
    this.#failed.clear();
  }

  /** Most urgent first. @param visible - documents (see `keyOf`) that are on a screen */
  *inOrder(visible: Iterable<string>): Generator<PartPlace> {
    const isNext = (place: PartPlace) => this.#failed.size === 0 || !this.#failed.has(keyOfPart(place));
    for (const document of visible)
      for (const place of this.#byDocument.get(document)?.values() ?? []) if (isNext(place)) yield place;
    for (const own of this.#byDocument.values())
      for (const place of own.values()) if (isNext(place)) yield place;
    yield* this.#failed.values();
  }
}

// What has a name of several parts, as one string: for maps and sets.

/** Of a document, or of a scope. No two have one: the name of a collection holds no NUL. */
export function keyOf(collection: string, name: string): string {
  return `${collection}\0${name}`;
}

/** Of a part of a document. */
export function keyOfPart(place: {
  readonly collection: string;
  readonly id: string;
  readonly part: string;
}): string {
  return JSON.stringify([place.collection, place.id, place.part]);
}

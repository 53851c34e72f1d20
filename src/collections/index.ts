export { defineCollection, type CollectionOptions } from "./defineCollection.js";
export { recordDraft } from "./draft.js";
export { field, type CounterField, type Field, type Fields, type SetField } from "./fields.js";
export { insertOperations } from "./insertOperations.js";
export { projectRow, type PlainRow } from "./projectRow.js";
export { scopeOf } from "./scopeOf.js";
export type {
  AnyCollection,
  CollectionDefinition,
  CounterDraft,
  DraftOf,
  InsertOf,
  OldRow,
  PatchOf,
  RowOf,
  ScopedOf,
  SetDraft,
} from "./types.js";
export { validateFields } from "./validateRow.js";
export type { FieldFault } from "./values.js";

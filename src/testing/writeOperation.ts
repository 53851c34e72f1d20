import type { Writer } from "../server/types.js";
import type { Operation } from "../shared/operations.js";
import type { sites } from "./fieldApp.js";

type SitesWriter = Writer<typeof sites>;

/** As an app would make it: by the writer's own methods. */
export async function writeOperation(writer: SitesWriter, id: string, operation: Operation): Promise<void> {
  switch (operation.type) {
    case "insert":
      return await writer.insert({ id, ...operation.fields } as never);
    case "delete":
      return await writer.delete(id);
    case "set":
      return await writer.update(id, (draft) => {
        const registers = draft as unknown as Record<string, unknown>;
        if (operation.value === undefined) delete registers[operation.field];
        else registers[operation.field] = operation.value;
      });
    case "increment":
      return await writer.update(id, (draft) => draft.visits.increment(operation.by));
    case "add":
      return await writer.update(id, (draft) => void draft.tags.add(operation.member as string));
    case "remove":
      return await writer.update(id, (draft) => void draft.tags.delete(operation.member as string));
  }
}

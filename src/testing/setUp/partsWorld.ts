import type { PartHandle } from "../../client/documents/openParts.js";
import { plainText } from "../../shared/partDocument.js";
import { sites } from "../fieldApp.js";
import { PushDevice } from "../pushDevice.js";
import { createServerApp, type ServerApp } from "../serverApp.js";
import type { Functions } from "../simulatedNetwork.js";
import { SitesWorld, type OpenTab } from "../testWorld.js";
import { followAll } from "./followAll.js";

/** Two documents, "x" and "y", and somebody elsewhere who types in their texts. */
export class PartsWorld extends SitesWorld<ServerApp> {
  readonly typist: PushDevice;
  /** Whether France may be read. */
  isReadable = true;

  static async create(): Promise<PartsWorld> {
    const world: PartsWorld = new PartsWorld(
      createServerApp(() => ({ read: (_ctx, { scope }) => scope !== "FR" || world.isReadable })),
    );
    const { typist } = world;
    await typist.send(typist.insert("x"), typist.insert("y"));
    return world;
  }

  private constructor(app: ServerApp) {
    super(app);
    this.typist = new PushDevice(app, 11);
  }

  async type(document: string, words: string, part = "log"): Promise<void> {
    await this.typist.send(this.typist.type(document, (text) => text.insert(text.length, words), part));
    await this.network.refresh();
  }

  /** New documents, each with its name as its text, of which all scopes have been told. */
  async typeMany(ids: readonly string[]): Promise<void> {
    await this.typist.send(...ids.map((id) => this.typist.insert(id)));
    for (const id of ids) await this.type(id, id);
    await followAll(this.app);
  }

  /** Until that is what it says. */
  reads(handle: PartHandle, text: string): Promise<void> {
    return this.waitUntil(() => textOf(handle) === text);
  }

  /** The app's functions, and the documents of which `pullPart` was asked for. */
  countPulls(): { readonly calls: string[]; readonly functions: Functions } {
    const calls: string[] = [];
    const { t } = this.app;
    const functions: Functions = {
      query: (query, args) => {
        if ("part" in args) calls.push(args["document"] as string);
        return t.query(query, args);
      },
      mutation: (mutation, args) => t.mutation(mutation, args),
    };
    return { calls, functions };
  }
}

export function textOf({ doc }: PartHandle): string | null {
  return doc === null ? null : plainText(doc);
}

interface UsesParts {
  usePart(definition: typeof sites, id: string, field: string): PartHandle;
}

export function usePart({ replica }: OpenTab, id = "x", field = "log"): PartHandle {
  return (replica as unknown as UsesParts).usePart(sites, id, field);
}

/** What the device holds: `id part`, sorted. */
export function storedParts({ profile }: OpenTab): string[] {
  return [...profile.database.data!.parts.values()].map(({ id, part }) => `${id} ${part}`).sort();
}

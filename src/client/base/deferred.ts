/** A promise and what settles it. */
export interface Deferred {
  readonly promise: Promise<void>;
  resolve(): void;
  reject(error: Error): void;
}

type Outcome = { readonly error: Error | null };

/**
 * The promise is made when somebody asks for it: of each write there are three, and few are waited for. A rejection that
 * nobody waits for is no unhandled one: it is told in another way as well.
 */
export function createDeferred(): Deferred {
  let outcome: Outcome | null = null;
  let promise: Promise<void> | null = null;
  let settle: (outcome: Outcome) => void = () => {};
  const end = (error: Error | null) => {
    outcome ??= { error };
    settle(outcome);
  };
  const create = () => {
    const created = new Promise<void>((resolve, reject) => {
      settle = ({ error }) => (error === null ? resolve() : reject(error));
    });
    created.catch(() => {});
    if (outcome !== null) settle(outcome);
    return created;
  };
  return {
    get promise() {
      return (promise ??= create());
    },
    resolve: () => end(null),
    reject: (error) => end(error),
  };
}

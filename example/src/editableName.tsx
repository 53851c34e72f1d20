import { useRef, useState, type KeyboardEvent } from "react";

interface EditableNameProps {
  readonly name: string;
  readonly onSave: (name: string) => void;
}

/** Click or Enter edits; Enter or leaving the field saves, Escape does not. */
export function EditableName({ name, onSave }: EditableNameProps) {
  const [draft, setDraft] = useState<string | null>(null);
  const button = useRef<HTMLButtonElement>(null);
  if (draft === null)
    return (
      <button
        ref={button}
        type="button"
        className="site-name"
        title="Rename"
        aria-label={`${name}. Rename`}
        onClick={() => setDraft(name)}
        data-testid="site-name"
      >
        {name}
      </button>
    );
  const end = () => {
    setDraft(null);
    requestAnimationFrame(() => button.current?.focus({ preventScroll: true }));
  };
  const save = () => {
    const text = draft.trim();
    if (text !== "" && text !== name) onSave(text);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing) return;
    if (event.key === "Enter") save();
    if (event.key === "Enter" || event.key === "Escape") end();
  };
  return (
    <input
      className="site-name-input"
      autoFocus
      value={draft}
      aria-label={`New name of ${name}`}
      enterKeyHint="done"
      autoComplete="off"
      onFocus={(event) => event.target.select()}
      onChange={(event) => setDraft(event.target.value)}
      onKeyDown={onKeyDown}
      onBlur={() => {
        save();
        setDraft(null);
      }}
      data-testid="site-name-input"
    />
  );
}

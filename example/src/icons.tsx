// Drawn on a grid of 24; decoration only, so hidden from screen readers.
import type { ReactNode } from "react";

function Icon({ children, size = 20 }: { children: ReactNode; size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth="2"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      {children}
    </svg>
  );
}

/** The map sign of a survey station: a triangle with a point; filled once it is surveyed. */
export function StationIcon({ isSurveyed = false, size = 18 }: { isSurveyed?: boolean; size?: number }) {
  return (
    <Icon size={size}>
      <path d="M12 4 21 20H3Z" fill={isSurveyed ? "currentColor" : "none"} />
      {!isSurveyed && <circle cx="12" cy="15" r="1.2" fill="currentColor" stroke="none" />}
    </Icon>
  );
}

export function PlusIcon() {
  return (
    <Icon>
      <path d="M12 5v14M5 12h14" />
    </Icon>
  );
}

export function SearchIcon() {
  return (
    <Icon size={18}>
      <circle cx="11" cy="11" r="6.5" />
      <path d="m16 16 4.5 4.5" />
    </Icon>
  );
}

export function CloseIcon({ size = 14 }: { size?: number }) {
  return (
    <Icon size={size}>
      <path d="M6 6l12 12M18 6 6 18" />
    </Icon>
  );
}

export function ChevronIcon() {
  return (
    <Icon>
      <path d="m7 10 5 5 5-5" />
    </Icon>
  );
}

export function SortIcon() {
  return (
    <Icon>
      <path d="M4 6h9M4 12h7M4 18h5M17 5v14M13.5 15.5 17 19l3.5-3.5" />
    </Icon>
  );
}

export function TrashIcon() {
  return (
    <Icon size={18}>
      <path d="M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5" />
    </Icon>
  );
}

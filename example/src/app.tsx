import { useCallback, useDeferredValue, useMemo, useRef, useState } from "react";
import { sites as sitesDefinition, type Site } from "../convex/collections.js";
import { AddSite } from "./addSite.js";
import { firstCountry } from "./countries.js";
import { Cover } from "./cover.js";
import { EmptyPage } from "./emptyPage.js";
import { FailedPanel } from "./failedPanel.js";
import { useFieldbook } from "./fieldbook.js";
import { Hints } from "./hints.js";
import { LoadProgress } from "./loadProgress.js";
import { useQuery, useScope } from "./replicaHooks.js";
import { SiteList, type SiteListHandle } from "./siteList.js";
import { countStatuses, searchSites, sortSites, type Selection } from "./siteSelection.js";
import { SiteMap } from "./siteMap.js";
import { StatusBar } from "./statusBar.js";
import { Toolbar } from "./toolbar.js";
import { UndoNotice } from "./undoNotice.js";
import { useShortcuts } from "./useShortcuts.js";

const countryKey = "fieldbook.country";
const noSelection: Selection = { search: "", filter: "all", sortBy: "population" };

export function App() {
  const { replica, sites } = useFieldbook();
  const [country, setCountry] = useState(() => localStorage.getItem(countryKey) ?? firstCountry);
  const [selection, setSelection] = useState(noSelection);
  const [isAdding, setAdding] = useState(false);
  const [deleted, setDeleted] = useState<Site | null>(null);
  const list = useRef<SiteListHandle>(null);
  const searchField = useRef<HTMLInputElement>(null);

  const loading = useScope(replica, sitesDefinition, country);
  const inCountry = useQuery(
    useMemo(() => sites.query({ where: (site) => site.country === country }), [sites, country]),
  );
  const search = useDeferredValue(selection.search);
  const total = useMemo(() => countStatuses(inCountry), [inCountry]);
  const found = useMemo(() => searchSites(inCountry, search), [inCountry, search]);
  const counts = useMemo(() => countStatuses(found), [found]);
  const shown = useMemo(() => {
    const { filter, sortBy } = selection;
    return sortSites(filter === "all" ? found : found.filter(({ status }) => status === filter), sortBy);
  }, [found, selection.filter, selection.sortBy]);

  useShortcuts({ "/": () => searchField.current?.focus(), n: () => setAdding(true) });

  const chooseCountry = (code: string) => {
    localStorage.setItem(countryKey, code);
    setCountry(code);
    setSelection({ ...noSelection, sortBy: selection.sortBy });
    setAdding(false);
  };
  const addSite = (name: string) => {
    const id = sites.newId();
    sites.insert({ id, name, country });
    setAdding(false);
    setSelection({ ...noSelection, sortBy: selection.sortBy }); // or the new site might not be listed
    list.current?.reveal(id);
  };
  const deleteSite = useCallback(
    (site: Site) => {
      sites.delete(site.id);
      setDeleted(site);
    },
    [sites],
  );
  const forgetDeleted = useCallback(() => setDeleted(null), []);
  const undoDelete = (site: Site) => {
    if (!sites.has(site.id)) sites.insert(site); // a refused deletion has undone itself
    setDeleted(null);
    list.current?.reveal(site.id);
  };

  return (
    <div className="fieldbook">
      <Cover country={country} counts={total} onCountry={chooseCountry} />
      <StatusBar />
      <FailedPanel />
      <SiteMap sites={inCountry} counts={total} />
      <Hints />
      <main className="page" aria-label="Sites">
        <Toolbar
          selection={selection}
          counts={counts}
          searchField={searchField}
          onSelection={setSelection}
          onAdd={() => setAdding(true)}
        />
        <LoadProgress loading={loading} country={country} hasSites={total.all > 0} />
        {isAdding && <AddSite country={country} onAdd={addSite} onClose={() => setAdding(false)} />}
        <SiteList ref={list} sites={shown} onDelete={deleteSite} />
        {shown.length === 0 && (
          <EmptyPage
            country={country}
            loading={loading}
            hasSites={total.all > 0}
            selection={selection}
            onAdd={() => setAdding(true)}
            onClear={() => setSelection({ ...noSelection, sortBy: selection.sortBy })}
          />
        )}
        <UndoNotice key={deleted?.id} site={deleted} onUndo={undoDelete} onClose={forgetDeleted} />
      </main>
    </div>
  );
}

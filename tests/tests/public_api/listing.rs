//! Lists what a crate makes public, from its sources: an item a line, with fields, variants and methods.
//!
//! Reads the syntax only. Of what is reexported from other crates the name is listed, and what a derive or another
//! macro makes is not.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use syn::{Fields, ImplItem, Item, ItemUse, Type, UseTree, Visibility};

/// A module with what it holds.
struct Module {
    items: Vec<Item>,
    modules: BTreeMap<String, Module>,
}

/// Lists the crate whose root is at `path`, the root's items first.
pub(crate) fn of(path: &Path) -> Vec<String> {
    let root = Module::read(path, path.parent().expect("a folder"));
    let mut members = BTreeMap::new();
    root.members(&mut members);
    let listing = Listing { root: &root, members };
    let mut lines = Vec::new();
    listing.module(&[], &root, &mut lines);
    lines
}

impl Module {
    /// Reads a file and those of its modules, which lie in `folder`.
    fn read(path: &Path, folder: &Path) -> Self {
        let text = std::fs::read_to_string(path).expect("a source file");
        Self::of(syn::parse_file(&text).expect("Rust").items, folder)
    }

    fn of(items: Vec<Item>, folder: &Path) -> Self {
        let items: Vec<Item> = items.into_iter().filter(|item| !is_test(item)).collect();
        let mut modules = BTreeMap::new();
        for item in &items {
            let Item::Mod(module) = item else { continue };
            let name = module.ident.to_string();
            let inner = folder.join(&name);
            let read = match &module.content {
                Some((_, items)) => Self::of(items.clone(), &inner),
                None => Self::read(&file_of(folder, &name), &inner),
            };
            modules.insert(name, read);
        }
        Self { items, modules }
    }

    /// Collects the public methods, constants and fields of every type, by the type's name.
    fn members(&self, members: &mut BTreeMap<String, Vec<String>>) {
        for item in &self.items {
            let Item::Impl(block) = item else { continue };
            let (None, Type::Path(of)) = (&block.trait_, block.self_ty.as_ref()) else { continue };
            let Some(of) = of.path.segments.last() else { continue };
            let names = block.items.iter().filter_map(|item| match item {
                ImplItem::Fn(function) if is_public(&function.vis) => Some(function.sig.ident.to_string()),
                ImplItem::Const(constant) if is_public(&constant.vis) => Some(constant.ident.to_string()),
                _ => None,
            });
            members.entry(of.ident.to_string()).or_default().extend(names.map(|name| format!("::{name}")));
        }
        self.modules.values().for_each(|module| module.members(members));
    }
}

fn file_of(folder: &Path, name: &str) -> PathBuf {
    let file = folder.join(format!("{name}.rs"));
    if file.exists() { file } else { folder.join(name).join("mod.rs") }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn is_test(item: &Item) -> bool {
    let attributes = match item {
        Item::Mod(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        _ => return false,
    };
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}

struct Listing<'a> {
    root: &'a Module,
    members: BTreeMap<String, Vec<String>>,
}

impl Listing<'_> {
    /// Lists a public module, then the public modules in it.
    fn module(&self, path: &[String], module: &Module, lines: &mut Vec<String>) {
        let mut own = Vec::new();
        for item in &module.items {
            match item {
                Item::Use(reexport) => self.reexport(path, reexport, &mut own),
                item => self.item(item, None, &mut own),
            }
        }
        own.sort_unstable();
        own.dedup();
        let prefix = path.join("::");
        lines.extend(own.into_iter().map(|line| if prefix.is_empty() { line } else { format!("{prefix}: {line}") }));
        for item in &module.items {
            let Item::Mod(inner) = item else { continue };
            if is_public(&inner.vis) {
                let name = inner.ident.to_string();
                self.module(&[path, std::slice::from_ref(&name)].concat(), &module.modules[&name], lines);
            }
        }
    }

    /// Lists a public item with what is public of it, under another name if it was given one.
    fn item(&self, item: &Item, name: Option<&str>, lines: &mut Vec<String>) {
        let (kind, visibility, ident, mut parts) = match item {
            Item::Struct(item) => ("struct", &item.vis, &item.ident, fields(&item.fields)),
            Item::Enum(item) => {
                let variants = item.variants.iter().map(|variant| format!("::{}", variant.ident));
                ("enum", &item.vis, &item.ident, variants.collect())
            }
            Item::Trait(item) => {
                let names = item.items.iter().filter_map(|item| match item {
                    syn::TraitItem::Fn(function) => Some(&function.sig.ident),
                    syn::TraitItem::Const(constant) => Some(&constant.ident),
                    syn::TraitItem::Type(kind) => Some(&kind.ident),
                    _ => None,
                });
                ("trait", &item.vis, &item.ident, names.map(|name| format!("::{name}")).collect())
            }
            Item::Fn(item) => ("fn", &item.vis, &item.sig.ident, Vec::new()),
            Item::Const(item) => ("const", &item.vis, &item.ident, Vec::new()),
            Item::Static(item) => ("static", &item.vis, &item.ident, Vec::new()),
            Item::Type(item) => ("type", &item.vis, &item.ident, Vec::new()),
            Item::Mod(item) => ("mod", &item.vis, &item.ident, Vec::new()),
            _ => return,
        };
        if !is_public(visibility) {
            return;
        }
        let ident = ident.to_string();
        if kind == "struct" || kind == "enum" {
            parts.extend(self.members.get(&ident).into_iter().flatten().cloned());
        }
        let name = name.unwrap_or(&ident);
        lines.push(format!("{kind} {name}"));
        lines.extend(parts.into_iter().map(|part| format!("{kind} {name}{part}")));
    }

    fn reexport(&self, path: &[String], reexport: &ItemUse, lines: &mut Vec<String>) {
        if is_public(&reexport.vis) {
            self.tree(path, Vec::new(), &reexport.tree, lines);
        }
    }

    fn tree(&self, here: &[String], mut path: Vec<String>, tree: &UseTree, lines: &mut Vec<String>) {
        match tree {
            UseTree::Path(part) => {
                path.push(part.ident.to_string());
                self.tree(here, path, &part.tree, lines);
            }
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.tree(here, path.clone(), tree, lines));
            }
            UseTree::Name(name) => self.name(here, &path, &name.ident.to_string(), None, lines),
            UseTree::Rename(rename) => {
                self.name(here, &path, &rename.ident.to_string(), Some(&rename.rename.to_string()), lines);
            }
            UseTree::Glob(_) => lines.push(format!("use {}::*", path.join("::"))),
        }
    }

    /// Lists what a name stands for where it is an item of this crate, else the name.
    fn name(&self, here: &[String], path: &[String], name: &str, shown: Option<&str>, lines: &mut Vec<String>) {
        if let Some(module) = self.resolve(here, path) {
            for item in &module.0.items {
                match item {
                    Item::Use(reexport) => {
                        let mut found = Vec::new();
                        self.reexport(&module.1, reexport, &mut found);
                        let is_of = |line: &String| {
                            line.split_once(' ').is_some_and(|(_, rest)| {
                                rest.strip_prefix(name)
                                    .is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '.']))
                            })
                        };
                        lines.extend(found.into_iter().filter(is_of));
                    }
                    item if ident(item).is_some_and(|ident| ident == name) => self.item(item, shown, lines),
                    _ => {}
                }
            }
        } else {
            lines.push(format!("use {}", shown.unwrap_or(name)));
        }
    }

    /// Finds the module of this crate that a path leads to, with its own path.
    fn resolve(&self, here: &[String], path: &[String]) -> Option<(&Module, Vec<String>)> {
        let (from, rest) = match path.first().map(String::as_str) {
            Some("crate") => (Vec::new(), &path[1..]),
            Some("self") => (here.to_vec(), &path[1..]),
            Some("super") => (here[..here.len().checked_sub(1)?].to_vec(), &path[1..]),
            _ => (here.to_vec(), path),
        };
        let full = [&from[..], rest].concat();
        let mut module = self.root;
        for part in &full {
            module = module.modules.get(part)?;
        }
        (!path.is_empty()).then_some((module, full))
    }
}

/// The public fields of a struct.
fn fields(fields: &Fields) -> Vec<String> {
    let names = fields.iter().enumerate().filter(|(_, field)| is_public(&field.vis));
    names.map(|(i, field)| field.ident.as_ref().map_or(format!(".{i}"), |ident| format!(".{ident}"))).collect()
}

fn ident(item: &Item) -> Option<&syn::Ident> {
    Some(match item {
        Item::Struct(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Const(item) => &item.ident,
        Item::Static(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Mod(item) => &item.ident,
        _ => return None,
    })
}

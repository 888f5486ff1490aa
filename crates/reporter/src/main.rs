//! `reporter`: one page from manifests, and a list of what stands in a folder.
//!
//! It reads manifests and the files that they list, computes nothing anew and links no engine.
//! A manifest chain becomes a [`chain::Chain`], that becomes a [`view::View`], and the view is
//! drawn ([`plots`]), tabulated ([`table`]) and set into one HTML file ([`page`]).

mod chain;
mod cli;
mod csv;
mod deployed;
mod figures;
mod format;
mod headline;
mod list;
mod page;
mod plots;
mod provenance;
mod svg;
mod table;
mod view;
mod weights;

fn main() -> std::process::ExitCode {
    stage::run::<cli::Cli>()
}

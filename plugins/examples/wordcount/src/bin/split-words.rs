//! The plugin `split-words`.
longshore_sdk::export_processor!(longshore_example_wordcount::SplitWords);

//! The plugin `count-words`.
longshore_sdk::export_processor!(longshore_example_wordcount::CountWords);

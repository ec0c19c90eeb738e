//! Word count: the processors `split-words` and `count-words`

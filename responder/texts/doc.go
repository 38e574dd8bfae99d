// Package texts holds the sentences of reports and messages, one file for each
// language, and writes numbers, times, durations, countries and money as people of
// that language do.
//
// A text is found by its key. It names what is put into it in braces: "{n} calls".
// If it depends on a number, it has two forms, "one" and "other", and the parameter n
// chooses between them. What a language lacks is said in English.
//
// To translate, copy english.toml, translate what stands behind each "=", and add the
// file to languages. The tests compare keys and parameters.
package texts

// Package policy decides whether a member of staff may read a dataset, and says
// why not.
//
// Rules are written in Cedar (https://www.cedarpolicy.com) and published by
// their source bytes. The action is the lens: readClear, readMasked,
// readPseudonymous, readAggregate. What a rule may look at is fixed by the
// schema in schema.cedarschema; a rule that looks elsewhere is refused when it
// is read, not when somebody is waiting for an answer.
//
// The order of use:
//
//	rules, err := policy.Parse("rules.cedar", src)      // at publish and at start
//	duties, err := policy.ParseDuties("duties.cedar", src)
//	book := policy.Book{Rules: rules, Duties: duties}
//	in, err := facts.Input(question)                    // everything the decision may know
//	d := book.Decide(in)                                // pure
//	if !d.Allow { r := rules.Explain(in, d, lenses) }   // words for the person
//
// Input is the whole of what a decision knows, time included. Its canonical
// bytes are recorded with the decision, so that anybody who holds the log
// decides again and must get the same Decision. It holds handles, attributes
// and counts; never a subject's key, never SQL.
//
// Cedar skips a forbid that fails to evaluate. Here every error denies: an
// input outside the schema, a rule that errors, a duty that errors.
package policy

// Engine names what evaluates the rules; a decision's record carries it.
const Engine = "cedar-go v1.9.0"

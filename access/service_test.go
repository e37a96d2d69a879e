package access_test

import (
	"context"
	"strings"
	"testing"

	"github.com/trefoil-dev/trefoil/access"
	"github.com/trefoil-dev/trefoil/internal/fault"
	"github.com/trefoil-dev/trefoil/record"
)

// services puts the example's rules in force, with these services in the directory.
func (o *office) services(text string) {
	o.t.Helper()
	sources := examples(o.t)
	for i := range sources {
		if sources[i].Kind == access.SourceDirectory {
			sources[i].Text += text
		}
	}
	if _, _, err := o.Publish(context.Background(), record.Actor{}, sources, ""); err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) requestFor(service, who string) (access.Outcome, error) {
	o.t.Helper()
	doc := o.wish(who, "support")
	doc.Service = service
	person := named(&doc, "1001")
	s := o.sign(who, record.RequestNamespace, doc)
	s.Subjects = []record.Part{person}
	return o.Request(context.Background(), record.Actor{}, s)
}

func TestAServiceUsesWhatItsOwnerAskedFor(t *testing.T) {
	ctx := context.Background()
	o := newOffice(t)
	o.services("services:\n  replies: {name: Suggested replies, owner: jonas}\n")
	if _, err := o.requestFor("replies", "viktor"); kindOf(err) != fault.Denied || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("asked by somebody else: %v", err)
	}
	if _, err := o.requestFor("nothing", "jonas"); kindOf(err) != fault.Denied {
		t.Errorf("for no service: %v", err)
	}
	out, err := o.requestFor("replies", "jonas")
	if err != nil || out.Grant == nil {
		t.Fatalf("%+v, %v", out, err)
	}
	now := o.log.clock().UnixMicro()
	if s := o.State(); len(s.Held("replies", "clips", now)) != 1 || len(s.Held("jonas", "clips", now)) != 0 {
		t.Error("the grant is not the service's alone")
	}
	a := access.Attempt{Login: "replies", Database: "clips.dublin-1", Grant: out.Grant.Seq, Site: "dublin-1", From: dublin}
	if _, err := o.Admit(ctx, a); err != nil {
		t.Fatal(err)
	}
	owner := a
	owner.Login = "jonas"
	if _, err := o.Admit(ctx, owner); kindOf(err) != fault.GrantEnded {
		t.Errorf("its owner in person: %v", err)
	}
	abroad := a
	abroad.From = thirdCountry
	if _, err := o.Admit(ctx, abroad); kindOf(err) != fault.Denied {
		t.Errorf("from where its owner may not: %v", err)
	}
	secret := record.SignedSecret{Format: record.SecretFormat, Origin: origin, Login: "jonas", Grant: out.Grant.Seq, Time: now, Nonce: access.NewNonce()}
	if _, err := o.Secret(ctx, record.Actor{}, o.sign("jonas", record.SecretNamespace, secret)); err != nil {
		t.Errorf("the owner is not shown the secret: %v", err)
	}

	o.services("services:\n  replies: {name: Suggested replies, owner: viktor}\n")
	if why := o.State().Still(a, now); why == nil {
		t.Error("a service that changed hands keeps its session")
	}
	if _, err := o.Admit(ctx, a); kindOf(err) != fault.Denied {
		t.Errorf("after it changed hands: %v", err)
	}
}

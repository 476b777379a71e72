package signature

import "testing"

// JudgeNonsense reads data in every form that a registry may send it in. Nothing may be proven by it, and nothing may panic.
func JudgeNonsense(t *testing.T, data, log []byte, certificate string) {
	_, public, err := NewKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	j, err := newJudge(Rule{Key: public})
	if err != nil {
		t.Fatal(err)
	}
	annotations := map[string]string{annotationSignature: "AAAA", annotationLog: string(log), annotationCertificate: certificate, annotationTimestamp: string(log)}
	for _, c := range []candidate{{form: formBundle, data: data}, {form: formTag, data: data, annotations: annotations},
		{form: formTag, data: data, annotations: annotations, attestation: true}, {form: formTag, data: data, annotations: map[string]string{annotationSignature: string(log)}}} {
		if proof, err := j.judge(c, about(data)); err == nil {
			t.Fatalf("%+v is proven by nonsense", proof)
		}
	}
}

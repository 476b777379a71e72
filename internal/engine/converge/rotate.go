package converge

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/redact"
)

const (
	// rotateTimeout bounds one login or one change.
	rotateTimeout = 2 * time.Minute
	// maxRotateLines is what is shown of the output of a change that failed.
	maxRotateLines = 3
)

// rotation is a running program whose secret is changed. Its programs get values on standard input only.
type rotation struct {
	engine *engine.Connection
	step   *deploy.RotateStep
	id     string // of the container
	hide   redact.Redactor
}

// rotate makes a program accept another value of a secret, proves it with a login, and that the former value is refused. What
// cannot be proved is undone.
func (a *Applier) rotate(ctx context.Context, step *deploy.RotateStep, report func(deploy.Event)) error {
	wanted, former, err := a.delivery.rotated(ctx, step)
	if err != nil {
		return fmt.Errorf("reading the values of secret %s: %w", step.Secret.Secret, err)
	}
	c, err := a.engine.First(ctx, step.Stack, step.Service)
	if err != nil {
		return err
	}
	r := rotation{engine: a.engine, step: step, id: c.ID, hide: redact.New(append(slices.Clone(former), wanted), nil)}
	text, err := r.run(ctx, wanted, former)
	if err != nil {
		return err
	}
	report(deploy.Event{Subject: step.Service, Text: step.Secret.Secret + ": " + text, Done: true})
	return nil
}

func (r rotation) run(ctx context.Context, wanted string, former []string) (done string, err error) {
	if err := single(append(slices.Clone(former), wanted)); err != nil {
		return "", r.failed(err.Error())
	}
	ok, err := r.login(ctx, wanted)
	if err != nil && r.step.Return {
		return "its program cannot be asked, and is left as it is: " + err.Error(), nil
	}
	if err != nil {
		return "", err
	}
	if ok && (r.step.Return || len(former) == 0) {
		return "a login with its value works", nil
	}
	at, err := r.accepted(ctx, former)
	switch {
	case err != nil:
		return "", err
	case ok && at >= 0:
		return "", r.failed("the program accepts a former value next to the new one, so no login proves anything")
	case ok:
		return "a login with its value works, and former values are refused", nil
	case at < 0 && r.step.Return:
		return "no known value is accepted; the program is left as it is", nil
	case at < 0:
		return "", r.unknown(len(former))
	case r.step.Secret.Change == "":
		return "", &deploy.FirstStartError{Stack: r.step.Stack, Service: r.step.Service, Secret: r.step.Secret.Secret, Volume: r.step.Volume}
	}
	if err := r.change(ctx, former[at], wanted); err != nil {
		return "", r.undo(ctx, err, wanted, former[at])
	}
	return "changed in the program: a login with the new value works, and the former one is refused", nil
}

// change changes the secret and proves it.
func (r rotation) change(ctx context.Context, from, to string) error {
	code, output, err := r.exec(ctx, r.step.Secret.Change, to, from)
	if err != nil {
		return err
	}
	if code != 0 {
		reason := fmt.Sprintf("its preset's command ended with code %d", code)
		if lines := display.LastLines(r.hide.Output(output), maxRotateLines); len(lines) > 0 {
			reason += ": " + strings.Join(lines, " / ")
		}
		return r.failed(reason)
	}
	if ok, err := r.login(ctx, to); err != nil {
		return err
	} else if !ok {
		return r.failed("a login with the new value fails after the change")
	}
	if ok, err := r.login(ctx, from); err != nil {
		return err
	} else if ok {
		return r.failed("a login with the former value still works after the change")
	}
	return nil
}

// undo sets the former value again, even when the work was interrupted, and says in the error when that failed.
func (r rotation) undo(ctx context.Context, cause error, wanted, former string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*rotateTimeout)
	defer cancel()
	failed, ok := errors.AsType[*deploy.RotationError](cause)
	if !ok {
		failed = r.failed(cause.Error())
	}
	changed, err := r.login(ctx, wanted)
	back, formerErr := r.login(ctx, former)
	if err == nil && formerErr == nil && !changed && back {
		return failed // nothing was changed
	}
	code, _, err := r.exec(ctx, r.step.Secret.Change, former, wanted)
	if err == nil && code != 0 {
		err = fmt.Errorf("the preset's command ended with code %d", code)
	}
	if err == nil {
		if back, err = r.login(ctx, former); err == nil && !back {
			err = errors.New("a login with it fails")
		}
	}
	failed.Undo = err
	return failed
}

// accepted returns the place of the first value with which a login works, or -1.
func (r rotation) accepted(ctx context.Context, values []string) (int, error) {
	for i, value := range values {
		if ok, err := r.login(ctx, value); err != nil || ok {
			return i, err
		}
	}
	return -1, nil
}

func (r rotation) login(ctx context.Context, value string) (bool, error) {
	code, _, err := r.exec(ctx, r.step.Secret.Login, value)
	return err == nil && code == 0, err
}

// exec runs a program of the preset by the image's shell, as the container's user, with values on its standard input, one a line.
func (r rotation) exec(ctx context.Context, program string, values ...string) (int, string, error) {
	ctx, cancel := context.WithTimeout(ctx, rotateTimeout)
	defer cancel()
	return r.engine.Exec(ctx, r.id, []string{"/bin/sh", "-c", program}, []byte(strings.Join(values, "\n")+"\n"))
}

func (r rotation) failed(reason string) *deploy.RotationError {
	return &deploy.RotationError{Stack: r.step.Stack, Service: r.step.Service, Secret: r.step.Secret.Secret, Volume: r.step.Volume, Reason: reason}
}

func (r rotation) unknown(known int) error {
	failed := r.failed("the program refuses its value, and no former value was ever delivered: the data is older than the secret")
	if known > 0 {
		failed = r.failed(fmt.Sprintf("the program refuses the new value and each of %d that were delivered before: the data is older than the secret", known))
	}
	failed.Unknown = true
	return failed
}

// single refuses values of more than one line: programs get one a line.
func single(values []string) error {
	for _, value := range values {
		if value == "" || strings.ContainsAny(value, "\r\n\x00") {
			return errors.New("a value is empty or has more than one line")
		}
	}
	return nil
}

// rotated reads the values of a rotation: the one that is wanted, and the former ones, without line breaks at the end, which
// entry points drop as well.
func (d *delivery) rotated(ctx context.Context, step *deploy.RotateStep) (wanted string, former []string, err error) {
	mounts := map[string]string{}
	for _, f := range append(slices.Clone(step.From), step.To) {
		mounts[path.Join(givenAt, f.Volume)] = f.Volume
	}
	err = d.volumes.Mounted(ctx, mounts, func(id string) error {
		if wanted, err = d.value(ctx, id, step.To); err != nil {
			return err
		}
		for _, f := range step.From {
			value, err := d.value(ctx, id, f)
			if err != nil {
				return err
			}
			if value != wanted && !slices.Contains(former, value) {
				former = append(former, value)
			}
		}
		return nil
	})
	return wanted, former, err
}

func (d *delivery) value(ctx context.Context, id string, f deploy.DeliveredFile) (string, error) {
	value, err := d.secretValue(ctx, id, deploy.SecretFile{Name: f.Name, From: f.Volume})
	return strings.TrimRight(string(value), "\r\n"), err
}
